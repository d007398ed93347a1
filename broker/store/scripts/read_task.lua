-- Tasks as a person sees them. Field order of one task: see TASK_FIELDS, then attempt and coordinator.
local TASK_FIELDS = { 'kind', 'name', 'state', 'priority', 'workers', 'submitted', 'started', 'finished',
  'trials_waiting', 'trials_running', 'trials_succeeded', 'trials_failed', 'trials_early_stopped', 'trials_cancelled',
  'cancel_requested', 'error' }

local function describe_task(id)
  local fields = redis.call('HMGET', task_key(id), unpack(TASK_FIELDS))
  if not fields[1] then return nil end
  local job = redis.call('HMGET', job_key(id), 'attempt', 'worker', 'state')
  local out = { id }
  for i = 1, #TASK_FIELDS do table.insert(out, fields[i] or '') end
  table.insert(out, job[1] or '0')
  table.insert(out, job[3] == 'running' and job[2] or '')
  return out
end

-- KEYS: none. ARGV: task. Result: {fields…, spec, result}. Error not_found.
redis.register_function({ function_name = 'ns1_get_task', flags = { 'no-writes' }, callback = function(_, a)
  local out = describe_task(a[1])
  if not out then return refuse('not_found', 'task', 'there is no task ' .. a[1]) end
  local texts = redis.call('HMGET', task_key(a[1]), 'spec', 'result', 'closing')
  table.insert(out, texts[1] or '')
  -- A result counts once the task has ended.
  table.insert(out, not texts[3] and texts[2] or '')
  return out
end })

-- KEYS: none. ARGV: state or '', offset, limit. Result: {how many in all, task*}, newest first.
redis.register_function({ function_name = 'ns1_list_tasks', flags = { 'no-writes' }, callback = function(_, a)
  local key = tasks_key
  if a[1] ~= '' then key = key .. ':' .. a[1] end
  local tasks, bytes = {}, 0
  for _, id in ipairs(redis.call('ZREVRANGE', key, a[2], a[2] + a[3] - 1)) do
    local task = describe_task(id)
    for _, field in ipairs(task) do bytes = bytes + #field end
    if bytes > REPLY_BYTES then break end
    table.insert(tasks, task)
  end
  return { redis.call('ZCARD', key), tasks }
end })
