-- A broker begins to use this Redis.
-- KEYS: none. ARGV: none.
-- Result: {schema of the data here, channel of work, of events, of stops}. The caller refuses another schema than its
-- own; an empty Redis takes this one.
redis.register_function('ns2_open', function()
  redis.call('SETNX', schema_key, SCHEMA)
  return { redis.call('GET', schema_key), SCHEMA, work_channel, events_channel, stop_channel }
end)
