-- Intermediate metrics of running trials, in order, each once; those of ended leases and what is not a JSON object are
-- dropped.
-- KEYS: none. ARGV: worker, most metrics of one attempt, (job, token, sequence, body)*. Result: how many were kept.

-- The sequence that is next in this attempt. 'metrics' = '<token> <next>'.
local function next_metric(job)
  local token, next_sequence = string.match(redis.call('HGET', job_key(job.id), 'metrics') or '', '^(%d+) (%d+)$')
  return token == job.token and tonumber(next_sequence) or 0
end

register('ns3_metrics', function(_, a)
  local worker, most = a[1], tonumber(a[2])
  local batch = new_batch()
  local kept = 0
  for i = 3, #a, 4 do
    local job, sequence, body = load_job(batch, a[i]), tonumber(a[i + 2]), a[i + 3]
    if holds(job, worker, a[i + 1]) and job.number and sequence < most then
      local ok, value = pcall(cjson.decode, body)
      if sequence >= next_metric(job) and ok and type(value) == 'table' then
        redis.call('HSET', job_key(job.id), 'metrics', job.token .. ' ' .. text_of(sequence + 1))
        event(batch, job.task, 'trial.metric', { 'trial', job.number, 'attempt', job.attempt, 'worker', worker, 'body',
          '{"sequence":' .. a[i + 2] .. ',"metrics":' .. body .. '}' })
        kept = kept + 1
      end
    end
  end
  flush(batch)
  return kept
end)
