-- What time brings: leases that ran out, jobs that are due, tasks past their deadline, the rest of tasks that are
-- closing. Any broker, as often as it likes; bounded work a call.
-- KEYS: none. ARGV: lease_ms, most jobs of each sort. Result: {expired, promoted, tasks closed further, tasks that are
-- late}.

-- While no broker or no Redis was there, nobody could renew: every lease gets its time again.
local function grant_grace(now, lease_ms)
  local swept = tonumber(redis.call('GET', swept_key) or 0)
  redis.call('SET', swept_key, text_of(now))
  if now - swept <= math.max(1000, lease_ms / 3) then return end
  local deadline = text_of(now + lease_ms)
  for _, worker in ipairs(redis.call('ZRANGE', leases_key, 0, -1)) do
    local renewed = {}
    for _, job in ipairs(redis.call('ZRANGEBYSCORE', held_key(worker), '-inf', '(' .. deadline)) do
      table.insert(renewed, deadline)
      table.insert(renewed, job)
    end
    in_pieces('ZADD', held_key(worker), renewed)
  end
end

-- Two samples of the counters, each good for SAMPLE_MS: what came since the older one is recent. As rarely classes that no
-- task asks for any more are removed, since each change makes every worker's next lease look through all.
local function look_now_and_then(now)
  local v = redis.call('HMGET', stats_key, 'sampled', unpack(COUNTERS))
  if v[1] and now - tonumber(v[1]) < SAMPLE_MS then return end
  local before = redis.call('HMGET', stats_key, unpack(LATER_SAMPLE))
  local fields = { 'sampled_before', v[1] or text_of(now), 'sampled', text_of(now) }
  for i, name in ipairs(COUNTERS) do
    local at = #fields
    fields[at + 1], fields[at + 2] = name .. ':2', before[i] or v[i + 1] or '0'
    fields[at + 3], fields[at + 4] = name .. ':1', v[i + 1] or '0'
  end
  redis.call('HSET', stats_key, unpack(fields))
  remove_unused_classes()
end

-- The leases of a worker that ran out, at most so many. Returns how many.
local function expire_leases(batch, worker, most)
  local overdue = redis.call('ZRANGEBYSCORE', held_key(worker), '-inf', batch.now_text, 'LIMIT', 0, most)
  for _, id in ipairs(overdue) do
    local job = load_job(batch, id)
    -- A task that closed earlier in this loop has released this lease already.
    if job and job.state == 'running' and job.worker == worker then
      crash(batch, load_task(batch, job.task), job, 'lease expired, worker ' .. worker .. ' silent', 'stale')
    else
      redis.call('ZREM', held_key(worker), id)
    end
  end
  return #overdue
end

local function note_first_deadline(worker)
  local first = redis.call('ZRANGE', held_key(worker), 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', leases_key, first[2], worker)
  else
    redis.call('ZREM', leases_key, worker)
  end
end

local function promote(batch, id)
  redis.call('ZREM', delayed_key, id)
  local job = load_job(batch, id)
  local task = job and job.state == 'waiting' and load_task(batch, job.task)
  if task and is_open(task) then make_ready(batch, task, job) end
end

local function fail_late(batch, id)
  redis.call('ZREM', deadlines_key, id)
  local task = load_task(batch, id)
  if not task or not is_open(task) then return end
  local job = load_job(batch, id)
  if job.state == 'running' then tell_stop(job, 'cancelled') end
  begin_closing(batch, task, job, 'failed', 'stale', '', cjson.encode({ code = 'timeout', field = 'deadline',
    message = 'the task had not ended by its deadline' }))
end

register_relief('ns3_sweep', function(_, a)
  local lease_ms, most = tonumber(a[1]), tonumber(a[2])
  local batch = new_batch()
  grant_grace(batch.now, lease_ms)
  look_now_and_then(batch.now)
  local expired = 0
  local workers = redis.call('ZRANGEBYSCORE', leases_key, '-inf', batch.now_text, 'LIMIT', 0, most)
  for _, worker in ipairs(workers) do
    if expired < most then expired = expired + expire_leases(batch, worker, most - expired) end
  end
  local due = redis.call('ZRANGEBYSCORE', delayed_key, '-inf', batch.now_text, 'LIMIT', 0, most)
  for _, id in ipairs(due) do promote(batch, id) end
  local late = redis.call('ZRANGEBYSCORE', deadlines_key, '-inf', batch.now_text, 'LIMIT', 0, 4)
  for _, id in ipairs(late) do fail_late(batch, id) end
  local closing = redis.call('ZRANGE', closing_key, 0, 3)
  for _, id in ipairs(closing) do
    local task = load_task(batch, id)
    if task and task.closing and not task.changed then close_step(batch, task) end
  end
  flush(batch)
  for _, worker in ipairs(workers) do note_first_deadline(worker) end
  return { expired, #due, #closing, #late }
end)
