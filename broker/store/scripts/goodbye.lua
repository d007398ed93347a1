-- Workers that go.

-- Ends every lease of the worker, `how` with each; returns how many.
local function end_leases(worker, how)
  local batch = new_batch()
  local held = redis.call('ZRANGE', held_key(worker), 0, -1)
  for _, id in ipairs(held) do
    local job = load_job(batch, id)
    if job and job.state == 'running' and job.worker == worker then how(batch, load_task(batch, job.task), job) end
  end
  flush(batch)
  redis.call('ZREM', leases_key, worker)
  return #held
end

local function is_current(worker, session)
  local known = redis.call('HGET', worker_key(worker), 'session')
  return not known or known == session
end

-- Its next hello, should there be one, makes it known again.
local function forget_worker(worker)
  redis.call('DEL', worker_key(worker), held_key(worker))
  redis.call('ZREM', workers_key, worker)
end

-- A worker leaves after its drain; whatever it still holds is ready for others at once.
-- KEYS: none. ARGV: worker, session. Result: jobs handed back, or -1 when it has a newer session already.
register_relief('ns3_goodbye', function(_, a)
  local worker = a[1]
  if not is_current(worker, a[2]) then return -1 end
  local count = end_leases(worker, hand_back)
  forget_worker(worker)
  return count
end)

-- The connection to a worker has ended and did not come back: the attempts that it was at are over, and it is listed no more.
-- KEYS: none. ARGV: worker, session. Result: jobs taken from it, or -1 when it has a newer session already.
register_relief('ns3_lose_worker', function(_, a)
  local worker = a[1]
  if not is_current(worker, a[2]) then return -1 end
  local count = end_leases(worker, function(batch, task, job)
    crash(batch, task, job, 'the connection to worker ' .. worker .. ' was lost', 'stale')
  end)
  forget_worker(worker)
  return count
end)
