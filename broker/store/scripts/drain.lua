-- An operator wants a worker gone: it is told at once, and with its heartbeats until it has left.
-- KEYS: none. ARGV: worker. Result: 1. Error not_found.
register_relief('ns3_drain', function(_, a)
  if not redis.call('ZSCORE', workers_key, a[1]) then
    return refuse('not_found', 'worker', 'no worker ' .. a[1] .. ' is connected')
  end
  redis.call('HSET', worker_key(a[1]), 'draining', 1)
  redis.call('PUBLISH', workers_channel, a[1] .. ' ' .. (redis.call('HGET', worker_key(a[1]), 'session') or 0) .. ' drain')
  return 1
end)
