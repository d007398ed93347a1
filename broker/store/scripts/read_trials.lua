-- A page of a task's trials by number; shorter than asked for where they are large.
-- KEYS: none. ARGV: task, first number, limit.
-- Result: {how many in all, {number, state, parameters, result, error, attempt, worker, token, finished, finish
-- order}*}. Error not_found.
local function describe_trial(task, number)
  local v = redis.call('HMGET', job_key(task .. '/' .. number), 'parameters', 'state', 'result', 'error', 'lease',
    'finished')
  if not v[1] then return nil end
  local lease = not v[2] and redis.call('HGET', leased_key(task), number)
  local worker, token, attempt = string.match(lease or v[5] or '', '^(%S+) (%d+) (%d+)')
  local finished, order = string.match(v[6] or '', '^(%d+) (%d+)$')
  return { number, v[2] or (lease and 'running' or 'waiting'), v[1], v[3] or '', v[4] or '', attempt or '0', worker or '',
    token or '', finished or '', order or '' }
end

register_reader('ns3_get_trials', function(_, a)
  if redis.call('EXISTS', task_key(a[1])) == 0 then
    return refuse('not_found', 'task', 'there is no task ' .. a[1])
  end
  local trials, bytes = {}, 0
  local task = redis.call('HMGET', task_key(a[1]), 'trials_total', 'trials_last')
  for number = tonumber(a[2]), tonumber(task[2] or -1) do
    if #trials >= tonumber(a[3]) then break end
    local trial = describe_trial(a[1], text_of(number))
    if trial then
      for _, field in ipairs(trial) do bytes = bytes + #field end
      if bytes > REPLY_BYTES and #trials > 0 then break end
      table.insert(trials, trial)
    end
  end
  return { tonumber(task[1] or 0), trials }
end)
