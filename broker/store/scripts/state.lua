-- What the transitions share. A call reads each task once into a batch, changes it in memory, and flush() writes the
-- counters, indexes and wake-ups once a call. Nothing after the first write may fail: validate before.

local CLOSE_STEP = 512 -- trials cancelled in one call when a task ends
local BACKOFF_FIRST, BACKOFF_BASE, BACKOFF_MOST = 200, 1000, 60000 -- ms before a retry
local REPLY_BYTES = 2 * 1024 * 1024 -- of one page of events or trials; a message may have 4 MiB

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function refuse(code, field, sentence) return redis.error_reply('NSERR ' .. code .. ' ' .. field .. ' ' .. sentence) end

-- Whole numbers as text; Lua would write large ones as 1e+14.
local function text_of(number) return string.format('%.0f', number) end

local function new_batch()
  return { now = now_ms(), tasks = {}, unlease = {}, unhold = {}, depth = {}, woken = {}, work = false }
end

local COUNTERS = { 'waiting', 'running', 'succeeded', 'failed', 'early_stopped', 'cancelled' }

-- The task's fields that transitions need; nil when there is no such task.
local function load_task(batch, id)
  local known = batch.tasks[id]
  if known ~= nil then return known or nil end
  local v = redis.call('HMGET', task_key(id), 'state', 'kind', 'priority', 'workers', 'max_attempts', 'closing',
    'trials_ended', 'trials_waiting', 'trials_running', 'trials_succeeded', 'trials_failed', 'trials_early_stopped',
    'trials_cancelled')
  if not v[1] then
    batch.tasks[id] = false
    return nil
  end
  local task = { id = id, state = v[1], kind = v[2], priority = v[3], workers = tonumber(v[4]),
    max_attempts = tonumber(v[5]), closing = v[6] or nil, ended = tonumber(v[7] or 0), count = {}, closed_trials = {},
    changed = false }
  for i, name in ipairs(COUNTERS) do task.count[name] = tonumber(v[7 + i] or 0) end
  batch.tasks[id] = task
  return task
end

local function change(task, counter, by)
  task.count[counter] = task.count[counter] + by
  task.changed = true
end

local function event(batch, task, kind, fields)
  redis.call('XADD', events_key(task), '*', 'type', kind, 'time', text_of(batch.now), unpack(fields or {}))
  batch.woken[task] = true
end

local function add_depth(batch, priority, by) batch.depth[priority] = (batch.depth[priority] or 0) + by end

-- A task stands in its ring while it has ready trials and may run more of them.
local function update_ring(batch, task)
  local ring = ring_key(task.priority, task.kind)
  local may_run = not task.closing and (task.state == 'pending' or task.state == 'running')
    and task.count.running < task.workers and redis.call('ZCARD', ready_key(task.id)) > 0
  if not may_run then
    redis.call('ZREM', ring, task.id)
  elseif not redis.call('ZSCORE', ring, task.id) then
    redis.call('ZADD', ring, redis.call('INCR', turn_key), task.id)
    batch.work = true
  end
end

-- Lua's unpack has a limit; lists are written in pieces.
local function in_pieces(command, key, list)
  for first = 1, #list, 1000 do
    redis.call(command, key, unpack(list, first, math.min(first + 999, #list)))
  end
end

local function flush(batch)
  in_pieces('ZREM', leases_key, batch.unlease)
  for worker, jobs in pairs(batch.unhold) do in_pieces('SREM', held_key(worker), jobs) end
  for id, task in pairs(batch.tasks) do
    if task and task.changed then
      in_pieces('ZREM', open_key(id), task.closed_trials)
      local c = task.count
      redis.call('HSET', task_key(id), 'trials_ended', task.ended, 'trials_waiting', c.waiting, 'trials_running',
        c.running, 'trials_succeeded', c.succeeded, 'trials_failed', c.failed, 'trials_early_stopped',
        c.early_stopped, 'trials_cancelled', c.cancelled)
      update_ring(batch, task)
    end
  end
  for priority, by in pairs(batch.depth) do
    if by ~= 0 then redis.call('HINCRBY', depth_key, priority, by) end
  end
  for task in pairs(batch.woken) do redis.call('PUBLISH', events_channel, task) end
  if batch.work then redis.call('PUBLISH', work_channel, '') end
end

-- ---- jobs

local function load_job(id)
  local v = redis.call('HMGET', job_key(id), 'state', 'token', 'attempt', 'worker', 'stop', 'answer', 'reasons')
  if not v[1] then return nil end
  local task, number = string.match(id, '^(%w+)/?(%d*)$')
  return { id = id, task = task, number = number ~= '' and number or nil, state = v[1], token = v[2] or '0',
    attempt = tonumber(v[3] or 0), worker = v[4] or '', stop = v[5] or nil, answer = v[6] or 'stale',
    reasons = v[7] or '[]' }
end

local function release(batch, job)
  table.insert(batch.unlease, job.id)
  if batch.unhold[job.worker] == nil then batch.unhold[job.worker] = {} end
  table.insert(batch.unhold[job.worker], job.id)
end

local function tell_stop(job, outcome)
  redis.call('PUBLISH', stop_channel, job.worker .. ' ' .. job.id .. ' ' .. job.token .. ' ' .. outcome)
end

-- The trial's last transition. `answer` is what a repeated report under the same token gets.
local function end_trial(batch, task, job, state, answer, result, reason)
  change(task, job.state, -1)
  change(task, state, 1)
  task.ended = task.ended + 1
  table.insert(task.closed_trials, job.number)
  redis.call('HSET', job_key(job.id), 'state', state, 'finished', text_of(batch.now), 'finish_order', task.ended,
    'answer', answer, 'result', result, 'error', reason)
  local body = result
  if state ~= 'succeeded' then body = cjson.encode({ error = reason }) end
  event(batch, task.id, 'trial.' .. state,
    { 'trial', job.number, 'attempt', job.attempt, 'worker', job.worker, 'body', body })
end

local function make_ready(batch, task, job)
  if job.number then
    redis.call('ZADD', ready_key(task.id), job.number, job.number)
    add_depth(batch, task.priority, 1)
    task.changed = true
  else
    redis.call('ZADD', control_key(task.priority, task.kind), redis.call('INCR', turn_key), task.id)
    batch.work = true
  end
end

-- ---- the end of a task

local function finish_closing(batch, task)
  local v = redis.call('HMGET', task_key(task.id), 'result', 'error')
  redis.call('HSET', task_key(task.id), 'state', task.closing, 'finished', text_of(batch.now))
  redis.call('HDEL', task_key(task.id), 'closing')
  redis.call('ZREM', closing_key, task.id)
  redis.call('ZREM', tasks_key .. ':' .. task.state, task.id)
  redis.call('ZADD', tasks_key .. ':' .. task.closing, text_of(batch.now), task.id)
  task.state, task.closing = task.closing, nil
  local body = '{}'
  if task.state == 'done' then body = v[1] or '{}' end
  if task.state == 'failed' then body = v[2] or '{}' end
  event(batch, task.id, 'task.' .. task.state, { 'body', body })
end

-- Ends some of the trials of a task that is closing, and the task itself after the last.
local function close_step(batch, task)
  in_pieces('ZREM', open_key(task.id), task.closed_trials) -- those that ended earlier in this call
  task.closed_trials = {}
  local numbers = redis.call('ZRANGE', open_key(task.id), 0, CLOSE_STEP)
  local last = math.min(#numbers, CLOSE_STEP)
  for i = 1, last do
    local job = load_job(task.id .. '/' .. numbers[i])
    if job.state == 'running' then
      release(batch, job)
      tell_stop(job, 'cancelled')
    else
      add_depth(batch, task.priority, -redis.call('ZREM', ready_key(task.id), job.number))
      redis.call('ZREM', delayed_key, job.id)
    end
    end_trial(batch, task, job, 'cancelled', 'stale', '', 'the task ended')
  end
  task.changed = true
  if #numbers <= CLOSE_STEP then
    finish_closing(batch, task)
  else
    redis.call('ZADD', closing_key, 'NX', text_of(batch.now), task.id)
  end
end

-- `job` is the task job; `answer` what a repeated report of it gets.
local function begin_closing(batch, task, job, state, answer, result, failure)
  if job.state == 'running' then
    release(batch, job)
  else
    redis.call('ZREM', control_key(task.priority, task.kind), task.id)
    redis.call('ZREM', delayed_key, task.id)
  end
  redis.call('HSET', job_key(job.id), 'state', 'ended', 'finished', text_of(batch.now), 'answer', answer)
  redis.call('HSET', task_key(task.id), 'closing', state, 'result', result, 'error', failure)
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

-- The attempt died: another after a delay, or the dead letter. Returns the status that the worker is told.
local function crash(batch, task, job, reason, answer)
  release(batch, job)
  local reasons = cjson.decode(job.reasons)
  table.insert(reasons, 'attempt ' .. job.attempt .. ' on ' .. job.worker .. ': ' .. reason)
  local reasons_text = cjson.encode(reasons)
  redis.call('HSET', job_key(job.id), 'reasons', reasons_text)
  if job.stop then
    end_trial(batch, task, job, job.stop, answer or 'committed', '', reason)
    return 'committed'
  end
  if job.attempt >= task.max_attempts then
    redis.call('ZADD', dead_key, text_of(batch.now), job.id)
    if job.number then
      event(batch, task.id, 'trial.dead', { 'trial', job.number, 'attempt', job.attempt, 'worker', job.worker, 'body',
        cjson.encode({ reasons = reasons }) })
      end_trial(batch, task, job, 'failed', answer or 'dead_lettered', '', reason)
    else
      local sentence = 'the coordinator died ' .. job.attempt .. ' times, the last time: ' .. reason
      begin_closing(batch, task, job, 'failed', answer or 'dead_lettered', '',
        cjson.encode({ code = 'internal', message = sentence, field = '' }))
    end
    return 'dead_lettered'
  end
  local delay = backoff(job.attempt)
  redis.call('HSET', job_key(job.id), 'state', 'waiting', 'answer', answer or 'retrying')
  redis.call('ZADD', delayed_key, text_of(batch.now + delay), job.id)
  local body = cjson.encode({ reason = reason, delay_ms = delay })
  if job.number then
    change(task, 'running', -1)
    change(task, 'waiting', 1)
    event(batch, task.id, 'trial.retrying',
      { 'trial', job.number, 'attempt', job.attempt, 'worker', job.worker, 'body', body })
  else
    event(batch, task.id, 'task.retrying', { 'attempt', job.attempt, 'worker', job.worker, 'body', body })
  end
  return 'retrying'
end

local function hand_back(batch, task, job)
  release(batch, job)
  redis.call('HSET', job_key(job.id), 'state', 'waiting', 'attempt', job.attempt - 1, 'answer', 'committed')
  if job.number then
    change(task, 'running', -1)
    change(task, 'waiting', 1)
  end
  make_ready(batch, task, job)
end

-- ---- who may write

local function holds(job, worker, token)
  return job and job.state == 'running' and job.token == token and job.worker == worker
end

-- The task, when `token` is that of its running coordinator; nil otherwise.
local function coordinated(batch, id, token)
  local job = load_job(id)
  if not job or job.state ~= 'running' or job.token ~= token then return nil end
  return load_task(batch, id)
end

local STALE = 'the lease of this task job has ended: another coordinator has it, or the task has ended'
