-- A worker begins a session; its older ones end.
-- KEYS: none. ARGV: worker, host, pid, cpus, isa (comma list), kinds (comma list), compute slots, control slots,
-- version, pool, tags (comma list), memory in bytes. Result: the session's number.
register('ns3_hello', function(_, a)
  local now = text_of(now_ms())
  local session = redis.call('INCR', sessions_key)
  redis.call('HSETNX', worker_key(a[1]), 'started', now)
  redis.call('HSET', worker_key(a[1]), 'session', session, 'host', a[2], 'pid', a[3], 'cpus', a[4], 'isa', a[5], 'kinds',
    a[6], 'compute_slots', a[7], 'control_slots', a[8], 'version', a[9], 'pool', a[10], 'tags', a[11], 'memory', a[12])
  redis.call('HDEL', worker_key(a[1]), 'classes_seen') -- it may offer something else now
  redis.call('ZADD', workers_key, now, a[1])
  redis.call('PUBLISH', workers_channel, a[1] .. ' ' .. session) -- another broker may still have an older one
  return session
end)
