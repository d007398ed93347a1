-- Heartbeats of workers: every lease that one still holds gets a new deadline.
-- KEYS: none. ARGV: lease_ms, (worker, session, compute busy, control busy, how many jobs, (job, token)*)*.
-- Result, one a worker: {lost, cancelled, early stopped, 1 when it should go}: jobs that it should end; or the text 'unknown_peer' when the
-- session is not its current one.

local function renew_for(batch, deadline, worker, jobs, draining)
  local renewed, lost, cancelled, early_stopped = {}, {}, {}, {}
  for i = 1, #jobs, 2 do
    local id, token = jobs[i], jobs[i + 1]
    local job = load_job(batch, id)
    if holds(job, worker, token) then
      table.insert(renewed, deadline)
      table.insert(renewed, id)
      if job.stop then table.insert(early_stopped, id) end
    elseif job and job.token == token and (job.state == 'cancelled' or job.state == 'ended') then
      table.insert(cancelled, id)
    else
      table.insert(lost, id)
    end
  end
  in_pieces('ZADD', held_key(worker), renewed)
  redis.call('ZADD', workers_key, batch.now_text, worker)
  return { lost, cancelled, early_stopped, draining and 1 or 0 }
end

register_relief('ns2_renew', function(_, a)
  local batch = new_batch()
  local deadline, at = text_of(batch.now + tonumber(a[1])), 2
  local replies = {}
  while at <= #a do
    local worker, session, count = a[at], a[at + 1], tonumber(a[at + 4])
    local known = redis.call('HMGET', worker_key(worker), 'session', 'draining')
    if known[1] == session then
      local jobs = {}
      for i = at + 5, at + 4 + 2 * count do table.insert(jobs, a[i]) end
      table.insert(replies, renew_for(batch, deadline, worker, jobs, known[2]))
      redis.call('HSET', worker_key(worker), 'compute_busy', a[at + 2], 'control_busy', a[at + 3])
    else
      table.insert(replies, 'unknown_peer')
    end
    at = at + 5 + 2 * count
  end
  return replies
end)
