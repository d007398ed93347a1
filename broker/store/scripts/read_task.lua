-- Tasks as a person sees them. Field order of one task: its id, TASK_FIELDS, trials waiting, attempt, coordinator, when
-- its job is due, its deadline.
local TASK_FIELDS = { 'kind', 'name', 'state', 'priority', 'workers', 'submitted', 'started', 'finished',
  'trials_running', 'trials_succeeded', 'trials_failed', 'trials_early_stopped', 'trials_cancelled',
  'cancel_requested', 'error', 'class', 'trials_total' }

local function describe_task(id)
  local fields = redis.call('HMGET', task_key(id), unpack(TASK_FIELDS))
  if not fields[1] then return nil end
  local running = redis.call('HGET', leased_key(id), 'task')
  local worker, attempt = string.match(running or redis.call('HGET', job_key(id), 'lease') or '', '^(%S+) %d+ (%d+)')
  local out = { id }
  for i = 1, #TASK_FIELDS do table.insert(out, fields[i] or '') end
  local waiting = tonumber(fields[17] or 0)
  for i = 9, 13 do waiting = waiting - tonumber(fields[i] or 0) end
  table.insert(out, text_of(waiting))
  table.insert(out, attempt or '0')
  table.insert(out, running and worker or '')
  table.insert(out, redis.call('ZSCORE', delayed_key, id) or '')
  table.insert(out, redis.call('ZSCORE', deadlines_key, id) or '')
  return out, waiting
end

-- Whether a job of this class has to wait for a worker that is not connected.
local function is_unserved(class)
  for _, worker in ipairs(redis.call('ZRANGE', workers_key, 0, -1)) do
    local offer = redis.call('HMGET', worker_key(worker), unpack(OFFER))
    if offer[1] and serves(offer, class) then return false end
  end
  return true
end

-- 1 when the task has something that waits, and no connected worker can do it. `out`, `waiting` as describe_task gave
-- them; `known` keeps what was found of each class.
local function waits_in_vain(out, waiting, known)
  local state, class, running = out[4], out[17], tonumber(out[10]) or 0
  if not (state == 'pending' or (state == 'running' and waiting > 0 and running == 0)) then return 0 end
  if known[class] == nil then known[class] = is_unserved(class) end
  return known[class] and 1 or 0
end

-- KEYS: none. ARGV: task. Result: {fields…, spec, result, 1 when no connected worker can serve what waits}. Error
-- not_found.
register_reader('ns3_get_task', function(_, a)
  local out, waiting = describe_task(a[1])
  if not out then return refuse('not_found', 'task', 'there is no task ' .. a[1]) end
  local v = redis.call('HMGET', task_key(a[1]), 'spec', 'result', 'closing')
  table.insert(out, v[1] or '')
  -- A result counts once the task has ended.
  table.insert(out, not v[3] and v[2] or '')
  table.insert(out, waits_in_vain(out, waiting, {}))
  return out
end)

-- KEYS: none. ARGV: state or '', offset, limit. Result: {how many in all, task*}, newest first; a task = {fields…, 1 when
-- no connected worker can serve what waits}.
register_reader('ns3_list_tasks', function(_, a)
  local key = tasks_key
  if a[1] ~= '' then key = key .. ':' .. a[1] end
  local tasks, bytes, known = {}, 0, {}
  for _, id in ipairs(redis.call('ZREVRANGE', key, a[2], a[2] + a[3] - 1)) do
    local task, waiting = describe_task(id)
    for _, field in ipairs(task) do bytes = bytes + #field end
    if bytes > REPLY_BYTES then break end
    table.insert(task, waits_in_vain(task, waiting, known))
    table.insert(tasks, task)
  end
  return { redis.call('ZCARD', key), tasks }
end)
