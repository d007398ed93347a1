-- The queue and its workers as a person sees them.

-- KEYS: none. ARGV: none. Result: now, ms.
redis.register_function({ function_name = 'ns2_ping', flags = { 'no-writes' }, callback = function()
  return text_of(now_ms())
end })

-- KEYS: none. ARGV: most workers.
-- Result: {now, {worker, host, pid, cpus, isa, kinds, compute slots, control slots, compute busy, control busy, started,
-- seen, version, pool, tags, memory, jobs held}*}
redis.register_function({ function_name = 'ns2_list_workers', flags = { 'no-writes' }, callback = function(_, a)
  local workers = {}
  local known = redis.call('ZRANGE', workers_key, 0, a[1] - 1, 'WITHSCORES')
  for i = 1, #known, 2 do
    local id = known[i]
    local v = redis.call('HMGET', worker_key(id), 'host', 'pid', 'cpus', 'isa', 'kinds', 'compute_slots',
      'control_slots', 'compute_busy', 'control_busy', 'started', 'version', 'pool', 'tags', 'memory')
    local worker = { id }
    for field = 1, 10 do table.insert(worker, v[field] or '') end
    table.insert(worker, known[i + 1])
    for field = 11, 14 do table.insert(worker, v[field] or '') end
    table.insert(worker, redis.call('ZCARD', held_key(id)))
    table.insert(workers, worker)
  end
  return { text_of(now_ms()), workers }
end })

-- The first leases to end: {job, worker, token, attempt, expires in ms}*.
local function first_leases(now, most)
  local leases = {}
  for _, worker in ipairs(redis.call('ZRANGE', leases_key, 0, most - 1)) do
    local held = redis.call('ZRANGE', held_key(worker), 0, most - #leases - 1, 'WITHSCORES')
    for i = 1, #held, 2 do
      local lease = redis.call('HGET', leased_key(task_of(held[i])), number_of(held[i]) or 'task')
      local token, attempt = string.match(lease or '', ' (%d+) (%d+)')
      table.insert(leases, { held[i], worker, token or '0', attempt or '0', text_of(tonumber(held[i + 1]) - now) })
    end
    if #leases >= most then break end
  end
  return leases
end

-- The newest dead letters: {job, since, reasons as JSON}*.
local function dead_letters(most)
  local dead, bytes = {}, 0
  local range = redis.call('ZREVRANGE', dead_key, 0, most - 1, 'WITHSCORES')
  for i = 1, #range, 2 do
    local reasons = redis.call('HGET', job_key(range[i]), 'reasons') or '[]'
    bytes = bytes + #reasons
    if bytes > REPLY_BYTES and #dead > 0 then break end
    table.insert(dead, { range[i], range[i + 1], reasons })
  end
  return dead
end

-- KEYS: none. ARGV: most leases and dead letters.
-- Result: {ready trials at priority 1, 2, 3, ready task jobs at 1, 2, 3, delayed, leased, leases, dead, dead letters}
redis.register_function({ function_name = 'ns2_get_queue', flags = { 'no-writes' }, callback = function(_, a)
  local out, most = {}, tonumber(a[1])
  for priority = 1, 3 do out[priority] = tonumber(redis.call('HGET', depth_key, priority) or 0) end
  local classes = redis.call('SMEMBERS', classes_key)
  for priority = 1, 3 do
    local count = 0
    for _, class in ipairs(classes) do count = count + redis.call('ZCARD', control_key(priority, class)) end
    out[3 + priority] = count
  end
  out[7] = redis.call('ZCARD', delayed_key)
  out[8] = tonumber(redis.call('HGET', depth_key, 'leased') or 0)
  out[9], out[10], out[11] = first_leases(now_ms(), most), redis.call('ZCARD', dead_key), dead_letters(most)
  return out
end })
