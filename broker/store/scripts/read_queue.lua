-- The queue and its workers as a person sees them.

-- KEYS: none. ARGV: none. Result: now, ms.
register_reader('ns3_ping', function()
  return text_of(now_ms())
end)

-- KEYS: none. ARGV: most workers.
-- Result: {now, {worker, host, pid, cpus, isa, kinds, compute slots, control slots, compute busy, control busy, started,
-- seen, version, pool, tags, memory, jobs held, 1 when it was asked to go}*}
register_reader('ns3_list_workers', function(_, a)
  local workers = {}
  local known = redis.call('ZRANGE', workers_key, 0, a[1] - 1, 'WITHSCORES')
  for i = 1, #known, 2 do
    local id = known[i]
    local v = redis.call('HMGET', worker_key(id), 'host', 'pid', 'cpus', 'isa', 'kinds', 'compute_slots',
      'control_slots', 'compute_busy', 'control_busy', 'started', 'version', 'pool', 'tags', 'memory', 'draining')
    local worker = { id }
    for field = 1, 10 do table.insert(worker, v[field] or '') end
    table.insert(worker, known[i + 1])
    for field = 11, 14 do table.insert(worker, v[field] or '') end
    table.insert(worker, redis.call('ZCARD', held_key(id)))
    table.insert(worker, v[15] or '')
    table.insert(workers, worker)
  end
  return { text_of(now_ms()), workers }
end)

-- The first leases to end: {job, worker, token, attempt, expires in ms, age in ms}*.
local function first_leases(now, most)
  local leases = {}
  for _, worker in ipairs(redis.call('ZRANGE', leases_key, 0, most - 1)) do
    local held = redis.call('ZRANGE', held_key(worker), 0, most - #leases - 1, 'WITHSCORES')
    for i = 1, #held, 2 do
      local lease = redis.call('HGET', leased_key(task_of(held[i])), number_of(held[i]) or 'task')
      local token, attempt = string.match(lease or '', ' (%d+) (%d+)')
      local age = token and math.max(0, now - math.floor(tonumber(token) / 1000)) or 0 -- a token is its lease's time
      table.insert(leases, { held[i], worker, token or '0', attempt or '0', text_of(tonumber(held[i + 1]) - now),
        text_of(age) })
    end
    if #leases >= most then break end
  end
  return leases
end

-- The newest dead letters after `offset` of them: {job, since, reasons as JSON}*.
local function dead_letters(offset, most)
  local dead, bytes = {}, 0
  local range = redis.call('ZREVRANGE', dead_key, offset, offset + most - 1, 'WITHSCORES')
  for i = 1, #range, 2 do
    local reasons = redis.call('HGET', job_key(range[i]), 'reasons') or '[]'
    bytes = bytes + #reasons
    if bytes > REPLY_BYTES and #dead > 0 then break end
    table.insert(dead, { range[i], range[i + 1], reasons })
  end
  return dead
end

-- KEYS: none. ARGV: offset, limit. Result: {how many in all, now, dead letters}
register_reader('ns3_list_dead', function(_, a)
  return { redis.call('ZCARD', dead_key), text_of(now_ms()), dead_letters(tonumber(a[1]), tonumber(a[2])) }
end)

-- Where something waits: {class, priority, tasks with a trial to lease, task jobs}*.
local function class_depths(most)
  local depths = {}
  for priority = 1, 3 do
    for _, class in ipairs(redis.call('ZRANGE', classes_key, 0, -1)) do
      local tasks = redis.call('ZCARD', ring_key(priority, class))
      local coordinators = redis.call('ZCARD', control_key(priority, class))
      if tasks + coordinators > 0 and #depths < most then
        table.insert(depths, { class, priority, tasks, coordinators })
      end
    end
  end
  return depths
end

-- {ms since the older sample, (name, in all, since the older sample)*}
local function recent_counts(now)
  local current, older = redis.call('HMGET', stats_key, unpack(COUNTERS)), redis.call('HMGET', stats_key, unpack(OLDER_SAMPLE))
  local since = tonumber(redis.call('HGET', stats_key, 'sampled_before') or now)
  local counts = { text_of(math.max(0, now - since)) }
  for i, name in ipairs(COUNTERS) do
    table.insert(counts, name)
    table.insert(counts, current[i] or '0')
    table.insert(counts, text_of(tonumber(current[i] or 0) - tonumber(older[i] or 0)))
  end
  return counts
end

-- KEYS: none. ARGV: most leases and dead letters.
-- Result: {ready trials at priority 1, 2, 3, ready task jobs at 1, 2, 3, delayed, leased, leases, dead, dead letters,
-- depths of classes, counters}
register_reader('ns3_get_queue', function(_, a)
  local out, most = {}, tonumber(a[1])
  for priority = 1, 3 do out[priority] = tonumber(redis.call('HGET', depth_key, priority) or 0) end
  local classes = redis.call('ZRANGE', classes_key, 0, -1)
  for priority = 1, 3 do
    local count = 0
    for _, class in ipairs(classes) do count = count + redis.call('ZCARD', control_key(priority, class)) end
    out[3 + priority] = count
  end
  out[7] = redis.call('ZCARD', delayed_key)
  local attempts = redis.call('HMGET', stats_key, 'leased', 'ended')
  out[8] = (attempts[1] or 0) - (attempts[2] or 0)
  local now = now_ms()
  out[9], out[10], out[11] = first_leases(now, most), redis.call('ZCARD', dead_key), dead_letters(0, most)
  out[12], out[13] = class_depths(most), recent_counts(now)
  return out
end)
