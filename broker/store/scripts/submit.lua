-- A task enters: pending, its task job ready for a control slot (after its delay, if it has one). Idempotent by task id.
-- KEYS: none. ARGV: task, kind, spec, name, priority, workers, max_attempts, timeout_ms, class, delay_ms, deadline_ms,
-- most open tasks. Result: 0 new, 1 the same submission again. Errors: conflict: the id stands for something else;
-- overloaded: too many tasks are open; too_large: too many classes.
local SUBMITTED = { 'kind', 'spec', 'name', 'priority', 'workers', 'max_attempts', 'timeout_ms', 'class', 'delay_ms',
  'deadline_ms' }

-- Nothing, or why the task is not taken.
local function refusal(a)
  local open = redis.call('ZCARD', tasks_key .. ':pending') + redis.call('ZCARD', tasks_key .. ':running')
  if open >= tonumber(a[12]) then
    return refuse('overloaded', 'task', open .. ' tasks are open already, which is the most that are accepted')
  end
  if not has_room_for(a[9]) then return refuse('too_large', 'requirements', TOO_MANY_CLASSES) end
end

register('ns3_submit', function(_, a)
  local id = a[1]
  local known = redis.call('HMGET', task_key(id), unpack(SUBMITTED))
  if known[1] then
    for i = 1, #SUBMITTED do
      if known[i] ~= a[i + 1] then
        return refuse('conflict', 'task', 'task ' .. id .. ' was submitted before with other content')
      end
    end
    return 1
  end
  if redis.call('ZSCORE', forgetting_key, id) then
    return refuse('conflict', 'task', 'task ' .. id .. ' has ended and is being forgotten: make another id')
  end
  local refused = refusal(a)
  if refused then return refused end
  local batch = new_batch()
  local now = batch.now_text
  local fields = { 'state', 'pending', 'submitted', now }
  for i, name in ipairs(SUBMITTED) do
    table.insert(fields, name)
    table.insert(fields, a[i + 1])
  end
  redis.call('HSET', task_key(id), unpack(fields))
  redis.call('HSET', job_key(id), 'parameters', '')
  redis.call('ZADD', tasks_key, now, id)
  redis.call('ZADD', tasks_key .. ':pending', now, id)
  count_in_class(a[9])
  if a[11] ~= '0' then redis.call('ZADD', deadlines_key, text_of(batch.now + tonumber(a[11])), id) end
  if a[10] ~= '0' then
    redis.call('ZADD', delayed_key, text_of(batch.now + tonumber(a[10])), id)
  else
    make_ready(batch, { id = id, priority = a[5], class = a[9] }, {})
  end
  event(batch, id, 'task.submitted')
  flush(batch)
  return 0
end)
