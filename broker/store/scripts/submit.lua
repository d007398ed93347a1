-- A task enters: pending, its task job ready for a control slot. Idempotent by task id.
-- KEYS: none. ARGV: task, kind, spec, name, priority, workers, max_attempts, timeout_ms.
-- Result: 0 new, 1 the same submission again. Error conflict: the id stands for something else.
redis.register_function('ns1_submit', function(_, a)
  local id = a[1]
  local known = redis.call('HMGET', task_key(id), 'kind', 'spec', 'name', 'priority', 'workers', 'max_attempts',
    'timeout_ms')
  if known[1] then
    for i = 1, 7 do
      if known[i] ~= a[i + 1] then
        return refuse('conflict', 'task', 'task ' .. id .. ' was submitted before with other content')
      end
    end
    return 1
  end
  local batch = new_batch()
  local now = text_of(batch.now)
  redis.call('HSET', task_key(id), 'state', 'pending', 'kind', a[2], 'spec', a[3], 'name', a[4], 'priority', a[5],
    'workers', a[6], 'max_attempts', a[7], 'timeout_ms', a[8], 'submitted', now)
  redis.call('HSET', job_key(id), 'state', 'waiting', 'token', 0, 'attempt', 0)
  redis.call('ZADD', tasks_key, now, id)
  redis.call('ZADD', tasks_key .. ':pending', now, id)
  redis.call('SADD', kinds_key, a[2])
  redis.call('ZADD', control_key(a[5], a[2]), redis.call('INCR', turn_key), id)
  event(batch, id, 'task.submitted')
  batch.work = true
  flush(batch)
  return 0
end)
