-- Heartbeats of workers: every lease that one still holds gets a new deadline.
-- KEYS: none. ARGV: lease_ms, (worker, session, compute busy, control busy, how many jobs, (job, token)*)*.
-- Result, one a worker: {lost, cancelled, early stopped, 1 when it should go}: jobs that it should end; or the text 'unknown_peer' when the
-- session is not its current one.

local function renew_for(batch, deadline, worker, a, first, last, draining)
  local renewed, lost, cancelled, early_stopped = {}, {}, {}, {}
  for i = first, last, 2 do
    local id, token = a[i], a[i + 1]
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
  return { lost, cancelled, early_stopped, draining and 1 or 0 }
end

register_relief('ns3_renew', function(_, a)
  local batch = new_batch()
  local deadline, at = text_of(batch.now + tonumber(a[1])), 2
  local replies, seen = {}, {}
  while at <= #a do
    local worker, session, last = a[at], a[at + 1], at + 4 + 2 * tonumber(a[at + 4])
    local known = redis.call('HMGET', worker_key(worker), 'session', 'draining', 'compute_busy', 'control_busy')
    if known[1] == session then
      replies[#replies + 1] = renew_for(batch, deadline, worker, a, at + 5, last, known[2])
      if known[3] ~= a[at + 2] or known[4] ~= a[at + 3] then
        redis.call('HSET', worker_key(worker), 'compute_busy', a[at + 2], 'control_busy', a[at + 3])
      end
      local n = #seen
      seen[n + 1], seen[n + 2] = batch.now_text, worker
    else
      replies[#replies + 1] = 'unknown_peer'
    end
    at = last + 1
  end
  in_pieces('ZADD', workers_key, seen)
  return replies
end)
