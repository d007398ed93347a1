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
  if job.state ~= 'waiting' then return job.answer or 'committed' end
  -- It waits for its next attempt: only the report that sent it there gets the answer again.
  if outcome == 'crashed' and job.answer == 'retrying' then return 'retrying' end
  return outcome == 'handed_back' and job.answer == 'committed' and 'committed' or 'stale'
end

local MANY_LEASES = 32

-- The leases of these of the task's jobs, and perhaps of more. Redis goes through a small hash from its beginning for each
-- field that is asked for, so that most of one is cheaper to have as a whole.
local function leases_of(task, list)
  local key = leased_key(task)
  if #list >= MANY_LEASES and redis.call('HLEN', key) <= 2 * #list then return fields_of(redis.call('HGETALL', key)) end
  local leases = {}
  for first = 1, #list, 1000 do
    local last = math.min(first + 999, #list)
    local found = redis.call('HMGET', key, unpack(list, first, last))
    for i = first, last do leases[list[i]] = found[i - first + 1] end
  end
  return leases
end

-- The leases of the jobs of a call, read for each task at once: task -> number or 'task' -> lease. And for each report
-- the task and the number.
local function read_leases(a)
  local fields, order, tasks, numbers, n = {}, {}, {}, {}, 0
  local sub, task, of_task = string.sub, nil, nil
  for i = 2, #a, 6 do
    local id = a[i]
    local its_task, number = sub(id, 1, TASK_ID_BYTES), sub(id, TASK_ID_BYTES + 2)
    if number == '' then number = 'task' end
    if its_task ~= task then
      task, of_task = its_task, fields[its_task]
      if of_task == nil then
        of_task = {}
        fields[task], order[#order + 1] = of_task, task
      end
    end
    n = n + 1
    tasks[n], numbers[n] = task, number
    of_task[#of_task + 1] = number
  end
  local leases = {}
  for _, id in ipairs(order) do leases[id] = leases_of(id, fields[id]) end
  return leases, tasks, numbers
end

-- The job, when this worker has it under this token; nil otherwise.
local function leased_job(leases, worker, id, token)
  local task, number = task_of(id), number_of(id)
  local lease = leases[task][number or 'task']
  local expected = worker .. ' ' .. token .. ' '
  if not lease or string.sub(lease, 1, #expected) ~= expected then return nil end
  leases[task][number or 'task'] = false -- it ends here; the same report again in this call finds its answer
  local attempt, stop = string.sub(lease, #expected + 1), nil
  if #attempt > 3 then attempt, stop = string.match(attempt, '^(%d+) ?(%S*)$') end
  return { id = id, task = task, number = number, state = 'running', lease = lease, worker = worker, token = token,
    attempt = tonumber(attempt), stop = stop ~= '' and stop or nil }
end

local function commit_one(batch, leases, a, i)
  local worker, id, token, outcome = a[i], a[i + 1], a[i + 2], a[i + 3]
  local job = leased_job(leases, worker, id, token)
  local task = job and load_task(batch, job.task)
  if not job and leases[task_of(id)][number_of(id) or 'task'] then return 'stale' end -- another has it
  if not job or not is_open(task) then return earlier_answer(load_unleased(id), worker, token, outcome) end
  local apply = job.number and commit_trial or commit_task
  return apply(batch, task, job, outcome, a[i + 4], a[i + 5])
end

-- What nearly all reports are, in few steps: a trial's first attempt has succeeded. Everything that this does, commit_trial
-- does too.
local function commit_success(batch, task, id, number, worker, lease, result)
  local count = task.count
  if not (task.dirty.running and task.dirty.succeeded) then
    change_running(batch, task, -1)
    change(batch, task, 'succeeded', 1)
  else
    if count.running >= task.workers then task.may_enter = true end
    count.running, count.succeeded = count.running - 1, count.succeeded + 1
  end
  redis.call('HSET', job_key(id), 'state', 'succeeded', 'lease', lease, 'finished',
    batch.now_text .. ' ' .. finish_order(task), 'result', result)
  batch.released[id] = true
  batch.leased = batch.leased - 1
  append_to(batch.unhold, worker, id)
  append_to(batch.unlease, task.id, number)
  trial_event(batch, task.id, 'trial.succeeded', number, nil, worker)
end

register('ns3_commit', function(_, a)
  local batch = new_batch()
  local leases, tasks, numbers = read_leases(a)
  local statuses = {}
  for k = 1, #tasks do
    local i, number, of_task = 6 * k - 5, numbers[k], leases[tasks[k]]
    local worker, lease = a[i], of_task[number]
    local task = lease and load_some(batch, tasks[k], TO_END_TRIALS)
    if task and is_open(task) and a[i + 3] == 'succeeded' and number ~= 'task' and
      lease == worker .. ' ' .. a[i + 2] .. ' 1' then
      of_task[number] = false -- it ends here; the same report again in this call finds its answer
      commit_success(batch, task, a[i + 1], number, worker, lease, a[i + 4])
      statuses[k] = 'committed'
    else
      statuses[k] = commit_one(batch, leases, a, i)
    end
  end
  flush(batch)
  return statuses
end)
