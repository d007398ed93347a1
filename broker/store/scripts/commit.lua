-- Results of workers' jobs, each accepted only under the job's current token, once. The same report again gets the same
-- answer.
-- KEYS: none. ARGV: (worker, job, token, outcome, result, error)*.
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

-- What a report that cannot be accepted (any more) is answered with.
local function earlier_answer(job, worker, token, outcome)
  if not job or job.token ~= token or job.worker ~= worker then return 'stale' end
  -- It was told to stop, and did.
  if outcome == 'cancelled' and (job.state == 'cancelled' or job.state == 'ended') then return 'committed' end
  return job.answer or 'committed'
end

redis.register_function('ns2_commit', function(_, a)
  local batch = new_batch()
  local statuses = {}
  for i = 1, #a, 6 do
    local worker, job, token, outcome = a[i], load_job(a[i + 1]), a[i + 2], a[i + 3]
    if holds(job, worker, token) then
      local apply = job.number and commit_trial or commit_task
      table.insert(statuses, apply(batch, load_task(batch, job.task), job, outcome, a[i + 4], a[i + 5]))
    else
      table.insert(statuses, earlier_answer(job, worker, token, outcome))
    end
  end
  flush(batch)
  return statuses
end)
