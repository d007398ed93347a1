-- An operator wants a worker gone: each of its heartbeats is answered so, until it has left.
-- KEYS: none. ARGV: worker. Result: 1. Error not_found.
register_relief('ns2_drain', function(_, a)
  if not redis.call('ZSCORE', workers_key, a[1]) then
    return refuse('not_found', 'worker', 'no worker ' .. a[1] .. ' is connected')
  end
  return redis.call('HSET', worker_key(a[1]), 'draining', 1) and 1
end)
