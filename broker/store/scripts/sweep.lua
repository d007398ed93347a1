-- What time brings: leases that ran out, retries that are due, the rest of tasks that are closing. Any broker, as often
-- as it likes; bounded work a call.
-- KEYS: none. ARGV: lease_ms, most jobs of each sort. Result: {expired, promoted, tasks closed further}.

-- While no broker or no Redis was there, nobody could renew: every lease gets its time again.
local function grant_grace(now, lease_ms)
  local swept = tonumber(redis.call('GET', swept_key) or 0)
  redis.call('SET', swept_key, text_of(now))
  if now - swept <= math.max(1000, lease_ms / 3) then return end
  local deadline = text_of(now + lease_ms)
  local renewed = {}
  for _, job in ipairs(redis.call('ZRANGEBYSCORE', leases_key, '-inf', '(' .. deadline)) do
    table.insert(renewed, deadline)
    table.insert(renewed, job)
  end
  in_pieces('ZADD', leases_key, renewed)
end

redis.register_function('ns1_sweep', function(_, a)
  local lease_ms, most = tonumber(a[1]), tonumber(a[2])
  local batch = new_batch()
  grant_grace(batch.now, lease_ms)
  local overdue = redis.call('ZRANGEBYSCORE', leases_key, '-inf', text_of(batch.now), 'LIMIT', 0, most)
  for _, id in ipairs(overdue) do
    local job = load_job(id)
    -- A task that closed earlier in this loop has released this lease already.
    if job and job.state == 'running' then
      crash(batch, load_task(batch, job.task), job, 'lease expired, worker ' .. job.worker .. ' silent', 'stale')
    else
      table.insert(batch.unlease, id)
    end
  end
  local due = redis.call('ZRANGEBYSCORE', delayed_key, '-inf', text_of(batch.now), 'LIMIT', 0, most)
  for _, id in ipairs(due) do
    redis.call('ZREM', delayed_key, id)
    local job = load_job(id)
    if job and job.state == 'waiting' then make_ready(batch, load_task(batch, job.task), job) end
  end
  local closing = redis.call('ZRANGE', closing_key, 0, 3)
  for _, id in ipairs(closing) do
    local task = load_task(batch, id)
    if task.closing and not task.changed then close_step(batch, task) end
  end
  flush(batch)
  return { #overdue, #due, #closing }
end)
