-- A broker says where other brokers reach it and by which public key, and learns of them.
-- KEYS: none. ARGV: its endpoint (empty: it is not to be reached), its public key (empty: it has none), how long a
-- silent one is remembered (ms).
-- Result: {endpoint, ms since it was last heard of, public key, ...} of the others.
register('ns3_meet', function(_, a)
  local now = now_ms()
  if a[1] ~= '' then
    redis.call('ZADD', brokers_key, text_of(now), a[1])
    redis.call('HSET', broker_keys_key, a[1], a[2])
  end
  local result = {}
  local known = redis.call('ZRANGE', brokers_key, 0, -1, 'WITHSCORES')
  for i = 1, #known, 2 do
    local endpoint, silence = known[i], now - tonumber(known[i + 1])
    if silence > tonumber(a[3]) then
      redis.call('ZREM', brokers_key, endpoint)
      redis.call('HDEL', broker_keys_key, endpoint)
    elseif endpoint ~= a[1] then
      result[#result + 1] = endpoint
      result[#result + 1] = text_of(silence)
      result[#result + 1] = redis.call('HGET', broker_keys_key, endpoint) or ''
    end
  end
  return result
end)
