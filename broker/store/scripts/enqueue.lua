-- A coordinator's trials become ready. A number that is there already is left as it is.
-- KEYS: none. ARGV: task, token of the task job, most trials ready, (number, parameters, limits)*; limits = '' or
-- '<time_limit_ms> <memory_limit_bytes>'. Result: how many were new. Errors: stale: the token is not that of the running
-- coordinator; overloaded: too many trials are ready.
register('ns3_enqueue', function(_, a)
  local batch = new_batch()
  local task = coordinates(a[1], a[2]) and load_some(batch, a[1], TO_ADD_TRIALS)
  if not task then return refuse('stale', 'token', STALE) end
  if tonumber(redis.call('HGET', depth_key, task.priority) or 0) >= tonumber(a[3]) then
    return refuse('overloaded', 'trials', 'as many trials of priority ' .. task.priority .. ' are ready as are accepted')
  end
  local numbers, count, last, prefix = {}, 0, task.count.last, job_key(task.id .. '/')
  for i = 4, #a, 3 do
    local number, limits = a[i], a[i + 2]
    local key, value = prefix .. number, number + 0
    if value > last or redis.call('EXISTS', key) == 0 then
      if limits == '' then
        redis.call('HSET', key, 'parameters', a[i + 1])
      else
        redis.call('HSET', key, 'parameters', a[i + 1], 'limits', limits)
      end
      if value > last then last = value end
      count = count + 1
      numbers[count] = number
    end
  end
  if count == 0 then return 0 end
  trials_event(batch, task.id, 'trial.enqueued', numbers, '')
  in_pieces('RPUSH', ready_key(task.id), numbers)
  change(batch, task, 'total', count)
  if last ~= task.count.last then set_count(batch, task, 'last', last) end
  add_depth(batch, task.priority, count)
  task.may_enter, task.has_ready = true, true
  flush(batch)
  return count
end)
