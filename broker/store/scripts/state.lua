-- What the transitions share. A call reads each task once into a batch, changes it in memory, and flush() writes the
-- counters, histories, indexes and wake-ups once a call. Nothing after the first write may fail: validate before.
--
-- What runs once a job is written for the interpreter: a command costs some thousand instructions whatever it does, a text
-- made of a number one to two thousand (least with '%d'), tonumber() twice what arithmetic with the text costs.

local CLOSE_STEP, CLOSE_LOOK = 512, 4096 -- trials cancelled, and looked at, in one call when a task ends
local BACKOFF_FIRST, BACKOFF_BASE, BACKOFF_MOST = 200, 1000, 60000 -- ms before a retry
local REPLY_BYTES = 2 * 1024 * 1024 -- of one page of events or trials; a message may have 4 MiB

-- Counters of jobs' attempts in ns:stats: those that were leased and have not ended are under way. '<name>:1' is its latest sample, '<name>:2' the one before, made at 'sampled' and
-- 'sampled_before'.
local COUNTERS = { 'leased', 'ended', 'crashed', 'dead' }
local LATER_SAMPLE = { 'leased:1', 'ended:1', 'crashed:1', 'dead:1' }
local OLDER_SAMPLE = { 'leased:2', 'ended:2', 'crashed:2', 'dead:2' }
local SAMPLE_MS = 10000

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function now_ms() return math.floor(now_us() / 1000) end

local function refuse(code, field, sentence) return redis.error_reply('NSERR ' .. code .. ' ' .. field .. ' ' .. sentence) end

-- Whole numbers as text; Lua would write large ones as 1e+14.
local function text_of(number) return string.format('%d', number) end

-- {name, value, …} as a table by name.
local function fields_of(list)
  local fields = {}
  for i = 1, #list, 2 do fields[list[i]] = list[i + 1] end
  return fields
end

-- Lua's unpack has a limit; lists are written in pieces (of an even length, for commands that take pairs).
local function in_pieces(command, key, list)
  for first = 1, #list, 1000 do
    redis.call(command, key, unpack(list, first, math.min(first + 999, #list)))
  end
end

local function append_to(lists, name, value)
  local list = lists[name]
  if list then list[#list + 1] = value else lists[name] = { value } end
end

local function new_batch()
  local us = now_us()
  local now = math.floor(us / 1000)
  return { now = now, us = us, now_text = text_of(now), tasks = {}, changed = {}, unhold = {}, unlease = {}, released = {},
    leased = 0, crashed = 0, dead = 0, depth = {}, histories = {}, written = {}, work = false }
end

-- ---- tasks

local FINAL = { 'succeeded', 'failed', 'early_stopped', 'cancelled' } -- states of a trial that has ended

-- What is read of a task, all of it or what some calls need: each field costs about as much as a command of its own. The
-- first is one that every task has.
local WHOLE = { 'workers', 'state', 'class', 'priority', 'max_attempts', 'closing', 'trials_total', 'trials_last',
  'trials_running', 'trials_succeeded', 'trials_failed', 'trials_early_stopped', 'trials_cancelled', 'trials_requeued' }
local TO_ADD_TRIALS = { 'workers', 'class', 'priority', 'trials_total', 'trials_last', 'trials_running' }
local TO_LEASE = { 'workers', 'trials_running', 'spec' }
local TO_END_TRIALS = { 'workers', 'closing', 'trials_running', 'trials_succeeded', 'trials_failed',
  'trials_early_stopped', 'trials_cancelled', 'trials_requeued' }

local COUNTER_OF = { trials_total = 'total', trials_last = 'last', trials_running = 'running',
  trials_succeeded = 'succeeded', trials_failed = 'failed', trials_early_stopped = 'early_stopped',
  trials_cancelled = 'cancelled', trials_requeued = 'requeued' }

-- nil when there is no such task. A call reads a task by one of the lists, and then perhaps the whole: what it has counted
-- meanwhile stays. Of a task that was not read as a whole the caller knows that it runs.
local function load_some(batch, id, names)
  local task = batch.tasks[id]
  if task == false then return nil end
  if task and (task.whole or names ~= WHOLE) then return task end
  local v = redis.call('HMGET', task_key(id), unpack(names))
  if not v[1] then
    batch.tasks[id] = false
    return nil
  end
  task = task or { id = id, state = 'running', dirty = {}, changed = false, may_enter = false, has_ready = false,
    count = {} }
  local count = task.count
  for i = 1, #names do
    local name, value = names[i], v[i]
    local counter = COUNTER_OF[name]
    if not counter then
      task[name] = value or nil
    elseif count[counter] == nil then
      count[counter] = (value or (counter == 'last' and -1 or 0)) + 0
    end
  end
  task.workers, task.whole = task.workers + 0, names == WHOLE
  batch.tasks[id] = task
  return task
end

local function load_task(batch, id)
  local task = load_some(batch, id, WHOLE)
  if task then task.max_attempts = task.max_attempts + 0 end
  return task
end

local function is_open(task) return not task.closing and (task.state == 'pending' or task.state == 'running') end

local function ended_of(task)
  local c = task.count
  return c.succeeded + c.failed + c.early_stopped + c.cancelled
end

-- Of the trial that ended just now: 1 for the first end in the task, 2 … An end that a requeue undid keeps its place.
local function finish_order(task) return text_of(ended_of(task) + task.count.requeued) end

local function set_count(batch, task, counter, value)
  task.count[counter] = value
  task.dirty[counter] = true
  if not task.changed then
    task.changed = true
    batch.changed[#batch.changed + 1] = task
  end
end

local function change(batch, task, counter, by) set_count(batch, task, counter, task.count[counter] + by) end

-- One trial less, or more, of this task runs. Room for another may bring it back into its ring.
local function change_running(batch, task, by)
  if task.count.running >= task.workers then task.may_enter = true end
  change(batch, task, 'running', by)
end

local function add_depth(batch, priority, by) batch.depth[priority] = (batch.depth[priority] or 0) + by end

-- ---- the history of a task: entries of its stream, written at the end of the call
--
--   type, time, then trial, attempt, worker, body where they mean something; or, of many trials at once:
--   type, time, worker, trials ('3,5-9'), attempts ('1,1,2,…' unless all are 1)
-- The bodies of the latter are where they are kept anyway: parameters and result of the job. read_events.lua takes an
-- entry apart again.

local function history_of(batch, task)
  local history = batch.histories[task]
  if history == nil then
    history = {}
    batch.histories[task] = history
    batch.written[#batch.written + 1] = task
  end
  return history
end

local function event(batch, task, kind, fields)
  table.insert(history_of(batch, task), { 'type', kind, 'time', batch.now_text, unpack(fields or {}) })
end

local MOST_IN_ENTRY = 1024 -- trials of one entry: whoever reads takes it apart as a whole

-- Of trials that are enqueued, requeued, start, or succeed; `attempt` is nil where it is the first.
local function trial_event(batch, task, kind, number, attempt, worker)
  local history = history_of(batch, task)
  local last = history[#history]
  if last == nil or last.kind ~= kind or last.worker ~= worker or #last.numbers >= MOST_IN_ENTRY then
    last = { kind = kind, worker = worker, numbers = {}, attempts = false }
    history[#history + 1] = last
  end
  local numbers = last.numbers
  local count = #numbers + 1
  numbers[count] = number
  if attempt then
    if not last.attempts then last.attempts = {} end
    last.attempts[count] = attempt
  end
end

-- Of all these, whose attempt is the first. The list is the entry's from now on.
local function trials_event(batch, task, kind, numbers, worker)
  if #numbers > MOST_IN_ENTRY then
    for _, number in ipairs(numbers) do trial_event(batch, task, kind, number, nil, worker) end
  else
    local history = history_of(batch, task)
    history[#history + 1] = { kind = kind, worker = worker, numbers = numbers, attempts = false }
  end
end

-- '0-499,700': runs of numbers that follow each other in the list.
local function ranges_of(numbers)
  local count = #numbers
  if count == 1 then return numbers[1] end
  local parts, first, value = {}, 1, numbers[1] + 0
  for i = 1, count do
    local following = (numbers[i + 1] or -1) + 0
    if following ~= value + 1 then
      parts[#parts + 1] = first == i and numbers[i] or numbers[first] .. '-' .. numbers[i]
      first = i + 1
    end
    value = following
  end
  return table.concat(parts, ',')
end

local function attempts_of(entry)
  local attempts = {}
  for i = 1, #entry.numbers do attempts[i] = entry.attempts[i] or '1' end
  return table.concat(attempts, ',')
end

-- Adds the types of the events to what is told of the task, behind the n words that are there; returns how many there are.
local function write_history(batch, task, told, n)
  local key, now, last = events_key(task), batch.now_text, nil
  for _, entry in ipairs(batch.histories[task]) do
    local kind, worker = entry.kind, entry.worker
    local type = kind or entry[2]
    if type ~= last then
      n = n + 1
      told[n], last = type, type
    end
    if not kind then
      redis.call('XADD', key, '*', unpack(entry))
    elseif entry.attempts then
      redis.call('XADD', key, '*', 'type', kind, 'time', now, 'trials', ranges_of(entry.numbers), 'worker', worker,
        'attempts', attempts_of(entry))
    elseif worker ~= '' then
      redis.call('XADD', key, '*', 'type', kind, 'time', now, 'trials', ranges_of(entry.numbers), 'worker', worker)
    else
      redis.call('XADD', key, '*', 'type', kind, 'time', now, 'trials', ranges_of(entry.numbers))
    end
  end
  return n
end

-- ---- the end of a call

-- A task stands in its ring while it has ready trials and may run more of them. Leasing takes tasks out that have not.
local function enter_ring(batch, task)
  if not task.class then task = load_task(batch, task.id) end
  if not is_open(task) or task.count.running >= task.workers then return end
  if not task.has_ready and redis.call('LLEN', ready_key(task.id)) == 0 then return end
  local ring = ring_key(task.priority, task.class)
  if redis.call('ZADD', ring, 'NX', redis.call('INCR', turn_key), task.id) == 1 then batch.work = true end
end

local function write_counts(task)
  local fields, n = {}, 0
  for name in pairs(task.dirty) do
    fields[n + 1], fields[n + 2] = 'trials_' .. name, text_of(task.count[name])
    n = n + 2
  end
  redis.call('HSET', task_key(task.id), unpack(fields))
end

-- A call hands jobs out or takes them back, never both: the sign of `leased` tells which.
local function count_attempts(batch)
  if batch.leased > 0 then redis.call('HINCRBY', stats_key, 'leased', batch.leased) end
  if batch.leased < 0 then redis.call('HINCRBY', stats_key, 'ended', -batch.leased) end
  if batch.crashed > 0 then redis.call('HINCRBY', stats_key, 'crashed', batch.crashed) end
  if batch.dead > 0 then redis.call('HINCRBY', stats_key, 'dead', batch.dead) end
end

local function flush(batch)
  for worker, jobs in pairs(batch.unhold) do in_pieces('ZREM', held_key(worker), jobs) end
  for task, jobs in pairs(batch.unlease) do in_pieces('HDEL', leased_key(task), jobs) end
  for _, task in ipairs(batch.changed) do
    write_counts(task)
    if task.may_enter then enter_ring(batch, task) end
  end
  count_attempts(batch)
  for priority, by in pairs(batch.depth) do
    if by ~= 0 then redis.call('HINCRBY', depth_key, priority, by) end
  end
  if #batch.written > 0 then
    local told, n = {}, 0
    for _, task in ipairs(batch.written) do
      n = n + 1
      told[n] = task
      n = write_history(batch, task, told, n)
    end
    redis.call('PUBLISH', events_channel, table.concat(told, ' '))
  end
  if batch.work then redis.call('PUBLISH', work_channel, '') end
end

-- ---- jobs
--
-- A job that runs stands in the hash of its task's leases, and nowhere else: so handing out and taking back many jobs of a
-- task are a call each. Its own hash holds what it is (parameters, limits), what came of it (state, finished, result,
-- error), and of earlier attempts the last lease, how many there were, their reasons, and the answer to a late report.
-- Without a state it waits, or runs.

local TASK_ID_BYTES = 26

-- '<task>' or '<task>/<number>'
local function task_of(id) return string.sub(id, 1, TASK_ID_BYTES) end
local function number_of(id) return #id > TASK_ID_BYTES and string.sub(id, TASK_ID_BYTES + 2) or nil end

local function read_lease(job, lease)
  job.lease = lease
  job.worker, job.token, job.attempt, job.stop = string.match(lease, '^(%S+) (%d+) (%d+) ?(%S*)$')
  job.attempt = tonumber(job.attempt)
  if job.stop == '' then job.stop = nil end
end

-- A job as its own hash tells it: what it is when it is not leased. nil when there is no such job.
local function load_unleased(id)
  local v = redis.call('HMGET', job_key(id), 'state', 'lease', 'answer', 'parameters')
  if not v[4] then return nil end
  local job = { id = id, task = task_of(id), number = number_of(id), worker = '', token = '0', attempt = 0,
    state = v[1] or 'waiting', answer = v[3] or nil }
  if v[2] and v[2] ~= '' then read_lease(job, v[2]) end
  return job
end

-- nil when there is no such job.
local function load_job(batch, id)
  local task, number = task_of(id), number_of(id)
  local lease = not batch.released[id] and redis.call('HGET', leased_key(task), number or 'task')
  if not lease then return load_unleased(id) end
  local job = { id = id, task = task, number = number, state = 'running' }
  read_lease(job, lease)
  return job
end

-- The lease has ended; whoever calls writes down what became of the job.
local function release(batch, job)
  if batch.released[job.id] then return end
  batch.released[job.id] = true
  append_to(batch.unhold, job.worker, job.id)
  append_to(batch.unlease, job.task, job.number or 'task')
  batch.leased = batch.leased - 1
end

local function tell_stop(job, outcome)
  redis.call('PUBLISH', stop_channel, job.worker .. ' ' .. job.id .. ' ' .. job.token .. ' ' .. outcome)
end

-- The trial's last transition. `answer` is what a repeated report under the same token gets.
local function end_trial(batch, task, job, state, answer, result, reason)
  if job.state == 'running' then change_running(batch, task, -1) end
  change(batch, task, state, 1)
  local finished = batch.now_text .. ' ' .. finish_order(task)
  -- 'committed' is what goes without saying, where no earlier attempt left another answer.
  if reason == '' and answer == 'committed' and job.attempt == 1 then
    redis.call('HSET', job_key(job.id), 'state', state, 'lease', job.lease or '', 'finished', finished, 'result', result)
  else
    redis.call('HSET', job_key(job.id), 'state', state, 'lease', job.lease or '', 'finished', finished, 'result', result,
      'error', reason, 'answer', answer)
  end
  if state == 'succeeded' then
    trial_event(batch, task.id, 'trial.succeeded', job.number, job.attempt ~= 1 and text_of(job.attempt) or nil,
      job.worker)
  else
    event(batch, task.id, 'trial.' .. state, { 'trial', job.number, 'attempt', job.attempt, 'worker', job.worker, 'body',
      cjson.encode({ error = reason }) })
  end
end

-- A job that was tried before, or waited for its time, goes before those that were not.
local function make_ready(batch, task, job)
  if job.number then
    redis.call('LPUSH', ready_key(task.id), job.number)
    add_depth(batch, task.priority, 1)
    task.may_enter, task.has_ready = true, true
    set_count(batch, task, 'running', task.count.running) -- so that flush() looks at it
  else
    redis.call('ZADD', control_key(task.priority, task.class), redis.call('INCR', turn_key), task.id)
    batch.work = true
  end
end

-- ---- the end of a task

local function finish_closing(batch, task)
  local v = redis.call('HMGET', task_key(task.id), 'result', 'error')
  redis.call('HSET', task_key(task.id), 'state', task.closing, 'finished', batch.now_text)
  redis.call('HDEL', task_key(task.id), 'closing', 'closing_next')
  redis.call('DEL', ready_key(task.id))
  redis.call('ZREM', ring_key(task.priority, task.class), task.id)
  redis.call('ZINCRBY', classes_key, -1, task.class)
  redis.call('ZREM', closing_key, task.id)
  redis.call('ZREM', deadlines_key, task.id)
  redis.call('ZREM', tasks_key .. ':' .. task.state, task.id)
  redis.call('ZADD', tasks_key .. ':' .. task.closing, batch.now_text, task.id)
  task.state, task.closing = task.closing, nil
  local body = '{}'
  if task.state == 'done' then body = v[1] or '{}' end
  if task.state == 'failed' then body = v[2] or '{}' end
  event(batch, task.id, 'task.' .. task.state, { 'body', body })
end

local TASK_ENDED = 'the task ended' -- why a trial was cancelled

local function cancel_trial(batch, task, job)
  if job.state == 'running' then
    release(batch, job)
    tell_stop(job, 'cancelled')
  elseif redis.call('ZREM', delayed_key, job.id) == 0 then
    add_depth(batch, task.priority, -1)
  end
  end_trial(batch, task, job, 'cancelled', 'stale', '', TASK_ENDED)
end

-- Ends some of the trials of a task that is closing, by number from where the last call stopped, and the task itself
-- after the last.
local function close_step(batch, task)
  local number = tonumber(redis.call('HGET', task_key(task.id), 'closing_next') or 0)
  local look, most = number + CLOSE_LOOK, CLOSE_STEP
  while ended_of(task) < task.count.total and number <= task.count.last and number < look and most > 0 do
    local id = task.id .. '/' .. text_of(number)
    local job = not redis.call('HGET', job_key(id), 'state') and load_job(batch, id)
    if job then
      cancel_trial(batch, task, job)
      most = most - 1
    end
    number = number + 1
  end
  if ended_of(task) >= task.count.total or number > task.count.last then
    finish_closing(batch, task)
  else
    redis.call('HSET', task_key(task.id), 'closing_next', text_of(number))
    redis.call('ZADD', closing_key, 'NX', batch.now_text, task.id)
  end
end

-- `job` is the task job; `answer` what a repeated report of it gets.
local function begin_closing(batch, task, job, state, answer, result, failure)
  if job.state == 'running' then
    release(batch, job)
  else
    redis.call('ZREM', control_key(task.priority, task.class), task.id)
    redis.call('ZREM', delayed_key, task.id)
  end
  redis.call('HSET', job_key(job.id), 'state', 'ended', 'lease', job.lease or '', 'answer', answer)
  redis.call('HSET', task_key(task.id), 'closing', state, 'result', result, 'error', failure)
  redis.call('ZREM', ring_key(task.priority, task.class), task.id)
  task.closing = state
  close_step(batch, task)
end

-- A failure as every reader gets it: {"code", "message", "field"}. A coordinator may have written just that.
local function failure_of(reason)
  local ok, value = pcall(cjson.decode, reason)
  if ok and type(value) == 'table' and type(value.message) == 'string' then return reason end
  return cjson.encode({ code = 'internal', message = reason, field = '' })
end

-- ---- an attempt that did not end its job

local function backoff(attempt)
  if attempt <= 1 then return BACKOFF_FIRST end
  return math.min(BACKOFF_BASE * 2 ^ (attempt - 2), BACKOFF_MOST)
end

-- The attempts are used up: the dead letter, and the end of the trial or of the task.
local function bury(batch, task, job, reasons, reason, answer)
  redis.call('ZADD', dead_key, batch.now_text, job.id)
  batch.dead = batch.dead + 1
  if job.number then
    event(batch, task.id, 'trial.dead', { 'trial', job.number, 'attempt', job.attempt, 'worker', job.worker, 'body',
      cjson.encode({ reasons = reasons }) })
    end_trial(batch, task, job, 'failed', answer, '', reason)
  else
    local sentence = 'the coordinator died ' .. job.attempt .. ' times, the last time: ' .. reason
    begin_closing(batch, task, job, 'failed', answer, '', cjson.encode({ code = 'internal', message = sentence,
      field = '' }))
  end
end

-- The attempt died: another after a delay, or the dead letter. Returns the status that the worker is told.
local function crash(batch, task, job, reason, answer)
  release(batch, job)
  batch.crashed = batch.crashed + 1
  local reasons = cjson.decode(redis.call('HGET', job_key(job.id), 'reasons') or '[]')
  table.insert(reasons, 'attempt ' .. job.attempt .. ' on ' .. job.worker .. ': ' .. reason)
  redis.call('HSET', job_key(job.id), 'reasons', cjson.encode(reasons))
  if job.stop then
    end_trial(batch, task, job, job.stop, answer or 'committed', '', reason)
    return 'committed'
  end
  if job.attempt >= task.max_attempts then
    bury(batch, task, job, reasons, reason, answer or 'dead_lettered')
    return 'dead_lettered'
  end
  local delay = backoff(job.attempt)
  redis.call('HSET', job_key(job.id), 'lease', job.lease, 'attempts', job.attempt, 'answer', answer or 'retrying')
  redis.call('ZADD', delayed_key, text_of(batch.now + delay), job.id)
  local body = cjson.encode({ reason = reason, delay_ms = delay })
  if job.number then
    change_running(batch, task, -1)
    event(batch, task.id, 'trial.retrying',
      { 'trial', job.number, 'attempt', job.attempt, 'worker', job.worker, 'body', body })
  else
    event(batch, task.id, 'task.retrying', { 'attempt', job.attempt, 'worker', job.worker, 'body', body })
  end
  return 'retrying'
end

local function hand_back(batch, task, job)
  release(batch, job)
  redis.call('HSET', job_key(job.id), 'lease', job.lease, 'attempts', job.attempt - 1, 'answer', 'committed')
  if job.number then change_running(batch, task, -1) end
  make_ready(batch, task, job)
end

-- ---- who may write

local function holds(job, worker, token)
  return job and job.state == 'running' and job.token == token and job.worker == worker
end

-- Whether `token` is that of the task's running coordinator.
local function coordinates(id, token)
  local lease = redis.call('HGET', leased_key(id), 'task')
  return lease and string.find(lease, ' ' .. token .. ' ', 1, true) ~= nil
end

local STALE = 'the lease of this task job has ended: another coordinator has it, or the task has ended'
