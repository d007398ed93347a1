-- The queue and its workers as a person sees them.

-- KEYS: none. ARGV: none. Result: now, ms.
redis.register_function({ function_name = 'ns1_ping', flags = { 'no-writes' }, callback = function()
  return text_of(now_ms())
end })

-- KEYS: none. ARGV: most workers.
-- Result: {now, {worker, host, pid, cpus, isa, kinds, compute slots, control slots, compute busy, control busy, started,
-- seen, version}*}
redis.register_function({ function_name = 'ns1_list_workers', flags = { 'no-writes' }, callback = function(_, a)
  local workers = {}
  for _, id in ipairs(redis.call('ZRANGE', workers_key, 0, a[1] - 1)) do
    local v = redis.call('HMGET', worker_key(id), 'host', 'pid', 'cpus', 'isa', 'kinds', 'compute_slots',
      'control_slots', 'compute_busy', 'control_busy', 'started', 'seen', 'version')
    local worker = { id }
    for i = 1, 12 do worker[i + 1] = v[i] or '' end
    table.insert(workers, worker)
  end
  return { text_of(now_ms()), workers }
end })

-- KEYS: none. ARGV: most leases and dead letters.
-- Result: {ready trials at priority 1, 2, 3, ready task jobs at 1, 2, 3, delayed, leased, {job, worker, token, attempt,
-- expires in ms}*, dead, {job, since, reasons as JSON}*}
redis.register_function({ function_name = 'ns1_get_queue', flags = { 'no-writes' }, callback = function(_, a)
  local now, out = now_ms(), {}
  for priority = 1, 3 do out[priority] = tonumber(redis.call('HGET', depth_key, priority) or 0) end
  local kinds = redis.call('SMEMBERS', kinds_key)
  for priority = 1, 3 do
    local count = 0
    for _, kind in ipairs(kinds) do count = count + redis.call('ZCARD', control_key(priority, kind)) end
    out[3 + priority] = count
  end
  local leases, dead, bytes = {}, {}, 0
  local range = redis.call('ZRANGE', leases_key, 0, a[1] - 1, 'WITHSCORES')
  for i = 1, #range, 2 do
    local v = redis.call('HMGET', job_key(range[i]), 'worker', 'token', 'attempt')
    table.insert(leases, { range[i], v[1] or '', v[2] or '0', v[3] or '0', text_of(tonumber(range[i + 1]) - now) })
  end
  range = redis.call('ZREVRANGE', dead_key, 0, a[1] - 1, 'WITHSCORES')
  for i = 1, #range, 2 do
    local reasons = redis.call('HGET', job_key(range[i]), 'reasons') or '[]'
    bytes = bytes + #reasons
    if bytes > REPLY_BYTES and #dead > 0 then break end
    table.insert(dead, { range[i], range[i + 1], reasons })
  end
  out[7], out[8], out[9] = redis.call('ZCARD', delayed_key), redis.call('ZCARD', leases_key), leases
  out[10], out[11] = redis.call('ZCARD', dead_key), dead
  return out
end })
