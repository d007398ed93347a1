-- A broker begins to use this Redis, or looks whether it is still the same data. Works when Redis is full: reading goes on.
-- KEYS: none. ARGV: a random name for the data, should there be none yet.
-- Result: {schema of the data here, ours, name of the data, channel of work, of events, of stops,
-- of workers}. The caller refuses
-- another schema than its own; an empty Redis takes this one.
register_relief('ns3_open', function(_, a)
  redis.call('SETNX', schema_key, SCHEMA)
  redis.call('SETNX', instance_key, a[1])
  return { redis.call('GET', schema_key), SCHEMA, redis.call('GET', instance_key), work_channel, events_channel,
    stop_channel, workers_channel }
end)
