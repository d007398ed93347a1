-- A coordinator's trials become ready. A number that is there already is left as it is.
-- KEYS: none. ARGV: task, token of the task job, (number, parameters, time_limit_ms, memory_limit_bytes)*.
-- Result: how many were new. Error stale: the token is not that of the running coordinator.
redis.register_function('ns1_enqueue', function(_, a)
  local batch = new_batch()
  local task = coordinated(batch, a[1], a[2])
  if not task then return refuse('stale', 'token', STALE) end
  local places, given = {}, {}
  for i = 3, #a, 4 do
    local number = a[i]
    local id = task.id .. '/' .. number
    if not given[number] and redis.call('EXISTS', job_key(id)) == 0 then
      given[number] = true
      redis.call('HSET', job_key(id), 'state', 'waiting', 'token', 0, 'attempt', 0, 'parameters', a[i + 1],
        'time_limit_ms', a[i + 2], 'memory_limit_bytes', a[i + 3])
      event(batch, task.id, 'trial.enqueued', { 'trial', number, 'body', a[i + 1] })
      table.insert(places, number)
      table.insert(places, number)
    end
  end
  for _, key in ipairs({ trials_key(task.id), open_key(task.id), ready_key(task.id) }) do
    in_pieces('ZADD', key, places)
  end
  local added = #places / 2
  change(task, 'waiting', added)
  add_depth(batch, task.priority, added)
  flush(batch)
  return added
end)
