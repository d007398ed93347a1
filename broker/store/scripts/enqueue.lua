-- A coordinator's trials become ready. A number that is there already is left as it is.
-- KEYS: none. ARGV: task, token of the task job, most trials ready, (number, parameters, limits)*; limits = '' or
-- '<time_limit_ms> <memory_limit_bytes>'. Result: how many were new. Errors: stale: the token is not that of the running
-- coordinator; overloaded: too many trials are ready.
redis.register_function('ns2_enqueue', function(_, a)
  local batch = new_batch()
  local task = coordinated(batch, a[1], a[2])
  if not task then return refuse('stale', 'token', STALE) end
  if tonumber(redis.call('HGET', depth_key, task.priority) or 0) >= tonumber(a[3]) then
    return refuse('overloaded', 'trials', 'as many trials of priority ' .. task.priority .. ' are ready as are accepted')
  end
  local numbers, last, prefix = {}, task.count.last, job_key(task.id .. '/')
  for i = 4, #a, 3 do
    local number, key = a[i], prefix .. a[i]
    local value = tonumber(number)
    if value > last or redis.call('EXISTS', key) == 0 then
      if a[i + 2] == '' then
        redis.call('HSET', key, 'parameters', a[i + 1])
      else
        redis.call('HSET', key, 'parameters', a[i + 1], 'limits', a[i + 2])
      end
      last = math.max(last, value)
      trial_event(batch, task.id, 'trial.enqueued', number, '1', '')
      numbers[#numbers + 1] = number
    end
  end
  if #numbers == 0 then return 0 end
  in_pieces('RPUSH', ready_key(task.id), numbers)
  change(batch, task, 'total', #numbers)
  if last ~= task.count.last then set_count(batch, task, 'last', last) end
  add_depth(batch, task.priority, #numbers)
  task.may_enter = true
  flush(batch)
  return #numbers
end)
