-- The coordinator's assessor gives a trial up: waiting, it ends at once; running, its worker is told, and reports it.
-- KEYS: none. ARGV: task, token of the task job, number.
-- Result: 1 stopping, 0 it had ended. Errors stale, not_found.
register_relief('ns3_stop_trial', function(_, a)
  local batch = new_batch()
  local task = coordinates(a[1], a[2]) and load_task(batch, a[1])
  if not task then return refuse('stale', 'token', STALE) end
  local job = load_job(batch, task.id .. '/' .. a[3])
  if not job then return refuse('not_found', 'number', 'task ' .. task.id .. ' has no trial ' .. a[3]) end
  if job.state == 'running' then
    redis.call('HSET', leased_key(task.id), job.number, job.worker .. ' ' .. job.token .. ' ' .. job.attempt .. ' early_stopped')
    tell_stop(job, 'early_stopped')
    return 1
  end
  if job.state ~= 'waiting' then return 0 end
  -- It stays in the list of ready trials; who leases it sees that it has ended.
  if redis.call('ZREM', delayed_key, job.id) == 0 then add_depth(batch, task.priority, -1) end
  end_trial(batch, task, job, 'early_stopped', 'stale', '', 'stopped before it began')
  flush(batch)
  return 1
end)
