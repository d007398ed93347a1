-- A page of a task's trials by number; shorter than asked for where they are large.
-- KEYS: none. ARGV: task, first number, limit.
-- Result: {how many in all, {number, state, parameters, result, error, attempt, worker, token, finished, finish
-- order}*}. Error not_found.
redis.register_function({ function_name = 'ns2_get_trials', flags = { 'no-writes' }, callback = function(_, a)
  if redis.call('EXISTS', task_key(a[1])) == 0 then
    return refuse('not_found', 'task', 'there is no task ' .. a[1])
  end
  local trials, bytes = {}, 0
  local task = redis.call('HMGET', task_key(a[1]), 'trials_total', 'trials_last')
  for number = tonumber(a[2]), tonumber(task[2] or -1) do
    if #trials >= tonumber(a[3]) then break end
    local v = redis.call('HMGET', job_key(a[1] .. '/' .. text_of(number)), 'state', 'parameters', 'result', 'error',
      'attempt', 'worker', 'token', 'finished', 'finish_order')
    if v[1] then
      local trial = { text_of(number) }
      for i = 1, 9 do
        trial[i + 1] = v[i] or ''
        bytes = bytes + #trial[i + 1]
      end
      if bytes > REPLY_BYTES and #trials > 0 then break end
      table.insert(trials, trial)
    end
  end
  return { tonumber(task[1] or 0), trials }
end })
