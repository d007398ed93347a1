-- Results of a worker's jobs, each accepted only under the job's current token, once. The same report again gets the
-- same answer.
-- KEYS: none. ARGV: worker, (job, token, outcome, result, error)*.
-- Result: one CommitStatus word a job.

local function commit_trial(batch, task, job, outcome, result, reason)
  if outcome == 'crashed' then return crash(batch, task, job, reason) end
  if outcome == 'handed_back' then
    if job.stop then outcome = job.stop else
      hand_back(batch, task, job)
      return 'committed'
    end
  end
  release(batch, job)
  end_trial(batch, task, job, outcome, 'committed', result, reason)
  return 'committed'
end

local function commit_task(batch, task, job, outcome, result, reason)
  if outcome == 'crashed' then return crash(batch, task, job, reason) end
  if outcome == 'handed_back' then
    hand_back(batch, task, job)
    event(batch, task.id, 'task.retrying', { 'attempt', job.attempt, 'worker', job.worker, 'body',
      cjson.encode({ reason = 'handed back by its worker', delay_ms = 0 }) })
    return 'committed'
  end
  if outcome == 'succeeded' then
    begin_closing(batch, task, job, 'done', 'committed', result, '')
  elseif outcome == 'cancelled' then
    begin_closing(batch, task, job, 'cancelled', 'committed', '', reason)
  else
    begin_closing(batch, task, job, 'failed', 'committed', '', failure_of(reason))
  end
  return 'committed'
end

redis.register_function('ns1_commit', function(_, a)
  local worker = a[1]
  local batch = new_batch()
  local statuses = {}
  for i = 2, #a, 5 do
    local job, outcome = load_job(a[i]), a[i + 2]
    local status = 'stale'
    if holds(job, worker, a[i + 1]) then
      local task = load_task(batch, job.task)
      local apply = job.number and commit_trial or commit_task
      status = apply(batch, task, job, outcome, a[i + 3], a[i + 4])
    elseif job and job.token == a[i + 1] and job.worker == worker then
      status = job.answer
      -- It was told to stop, and did.
      if outcome == 'cancelled' and (job.state == 'cancelled' or job.state == 'ended') then status = 'committed' end
    end
    table.insert(statuses, status)
  end
  flush(batch)
  return statuses
end)
