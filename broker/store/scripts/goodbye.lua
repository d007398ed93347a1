-- A worker leaves after its drain; whatever it still holds is ready for others at once.
-- KEYS: none. ARGV: worker, session. Result: jobs handed back, or -1 when it has a newer session already.
redis.register_function('ns1_goodbye', function(_, a)
  local worker = a[1]
  local session = redis.call('HGET', worker_key(worker), 'session')
  if session and session ~= a[2] then return -1 end
  local batch = new_batch()
  local held = redis.call('SMEMBERS', held_key(worker))
  for _, id in ipairs(held) do
    local job = load_job(id)
    if job and job.state == 'running' and job.worker == worker then
      hand_back(batch, load_task(batch, job.task), job)
    end
  end
  flush(batch)
  redis.call('DEL', worker_key(worker), held_key(worker))
  redis.call('ZREM', workers_key, worker)
  return #held
end)
