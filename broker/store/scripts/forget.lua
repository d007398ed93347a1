-- Removes tasks that ended long ago, or that are more than are kept. A task goes in steps: first what makes it known, so
-- that nobody meets half of one, then its trials from the last to the first. ns:forgetting says where to go on, whoever
-- began.
-- KEYS: none. ARGV: most keys (at most 1000), (state, age in ms or '', most tasks or '')*: what is kept of the tasks that
-- ended in this state. Result: {tasks that are being forgotten since this call, 1 when there may be more to do}.

local KEYS_OF_TASK = 5

local function begin_forgetting(id, state)
  redis.call('ZREM', tasks_key .. ':' .. state, id)
  local v = redis.call('HMGET', task_key(id), 'state', 'trials_last')
  if v[1] ~= state then return end
  redis.call('ZADD', forgetting_key, text_of(tonumber(v[2] or -1) + 1), id)
  redis.call('UNLINK', task_key(id), events_key(id), ready_key(id), leased_key(id), job_key(id))
  redis.call('ZREM', tasks_key, id)
  redis.call('ZREM', dead_key, id)
end

-- At most `most` of the `left` trials. Returns how many.
local function forget_trials(id, left, most)
  local keys, jobs = {}, {}
  for number = left - 1, math.max(0, left - most), -1 do
    local job = id .. '/' .. text_of(number)
    jobs[#jobs + 1] = job
    keys[#keys + 1] = job_key(job)
  end
  if #keys > 0 then
    redis.call('UNLINK', unpack(keys))
    redis.call('ZREM', dead_key, unpack(jobs))
  end
  if #keys == left then
    redis.call('ZREM', forgetting_key, id)
  else
    redis.call('ZADD', forgetting_key, text_of(left - #keys), id)
  end
  return #keys
end

local function forget_begun(budget)
  while budget > 0 do
    local first = redis.call('ZRANGE', forgetting_key, 0, 0, 'WITHSCORES')
    if not first[1] then break end
    budget = budget - math.max(1, forget_trials(first[1], tonumber(first[2]), budget))
  end
  return budget
end

-- The oldest of those that ended in this state and are not kept.
local function overdue(now, state, age, count, most)
  local key = tasks_key .. ':' .. state
  local old = age ~= '' and redis.call('ZRANGEBYSCORE', key, '-inf', text_of(now - tonumber(age)), 'LIMIT', 0, most) or {}
  local excess = count ~= '' and math.min(redis.call('ZCARD', key) - tonumber(count), most) or 0
  if excess <= #old then return old end
  return redis.call('ZRANGE', key, 0, excess - 1)
end

register_relief('ns3_forget', function(_, a)
  local now, begun = now_ms(), 0
  local budget = forget_begun(math.min(tonumber(a[1]), 1000))
  for i = 2, #a, 3 do
    local most = math.ceil(budget / KEYS_OF_TASK)
    for _, id in ipairs(most > 0 and overdue(now, a[i], a[i + 1], a[i + 2], most) or {}) do
      begin_forgetting(id, a[i])
      begun, budget = begun + 1, budget - KEYS_OF_TASK
    end
  end
  budget = forget_begun(budget)
  return { begun, budget <= 0 and 1 or 0 }
end)
