-- A worker's heartbeat: every lease that it still holds gets a new deadline.
-- KEYS: none. ARGV: worker, session, lease_ms, compute busy, control busy, (job, token)*.
-- Result: {lost, cancelled, early stopped}: jobs that it should end. Error unknown_peer: say hello again.
redis.register_function('ns1_renew', function(_, a)
  local worker, session, lease_ms = a[1], a[2], tonumber(a[3])
  if redis.call('HGET', worker_key(worker), 'session') ~= session then
    return refuse('unknown_peer', 'session', 'say hello again')
  end
  local now = now_ms()
  local deadline = text_of(now + lease_ms)
  local renewed, lost, cancelled, early_stopped = {}, {}, {}, {}
  for i = 6, #a, 2 do
    local job = load_job(a[i])
    if holds(job, worker, a[i + 1]) then
      table.insert(renewed, deadline)
      table.insert(renewed, a[i])
      if job.stop then table.insert(early_stopped, a[i]) end
    elseif job and job.token == a[i + 1] and (job.state == 'cancelled' or job.state == 'ended') then
      table.insert(cancelled, a[i])
    else
      table.insert(lost, a[i])
    end
  end
  in_pieces('ZADD', leases_key, renewed)
  redis.call('ZADD', workers_key, text_of(now), worker)
  redis.call('HSET', worker_key(worker), 'seen', text_of(now), 'compute_busy', a[4], 'control_busy', a[5])
  return { lost, cancelled, early_stopped }
end)
