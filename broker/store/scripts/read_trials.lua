-- A page of a task's trials by number; shorter than asked for where they are large.
-- KEYS: none. ARGV: task, first number, limit.
-- Result: {how many in all, {number, state, parameters, result, error, attempt, worker, started, finished, finish
-- order}*}. Error not_found.
redis.register_function({ function_name = 'ns1_get_trials', flags = { 'no-writes' }, callback = function(_, a)
  if redis.call('EXISTS', task_key(a[1])) == 0 then
    return refuse('not_found', 'task', 'there is no task ' .. a[1])
  end
  local trials, bytes = {}, 0
  for _, number in ipairs(redis.call('ZRANGEBYSCORE', trials_key(a[1]), a[2], '+inf', 'LIMIT', 0, a[3])) do
    local v = redis.call('HMGET', job_key(a[1] .. '/' .. number), 'state', 'parameters', 'result', 'error', 'attempt',
      'worker', 'started', 'finished', 'finish_order')
    local trial = { number }
    for i = 1, 9 do
      trial[i + 1] = v[i] or ''
      bytes = bytes + #trial[i + 1]
    end
    if bytes > REPLY_BYTES and #trials > 0 then break end
    table.insert(trials, trial)
  end
  return { redis.call('ZCARD', trials_key(a[1])), trials }
end })
