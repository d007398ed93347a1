-- Forgets workers that have been silent for long; their leases ran out before.
-- KEYS: none. ARGV: silent for how long (ms), most workers. Result: how many.
register_relief('ns3_reap', function(_, a)
  local silent = redis.call('ZRANGEBYSCORE', workers_key, '-inf', text_of(now_ms() - tonumber(a[1])), 'LIMIT', 0, a[2])
  local reaped = 0
  for _, worker in ipairs(silent) do
    if redis.call('EXISTS', held_key(worker)) == 0 then
      redis.call('DEL', worker_key(worker))
      redis.call('ZREM', workers_key, worker)
      reaped = reaped + 1
    end
  end
  return reaped
end)
