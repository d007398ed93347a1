-- A person cancels a task: what waits is cancelled, what runs is told to stop and its leases end. Of a task that has
-- ended, or is ending: nothing happens.
-- KEYS: none. ARGV: task. Result: 1 it is being cancelled now, 0 it had ended. Error not_found.
register_relief('ns3_cancel', function(_, a)
  local batch = new_batch()
  local task = load_task(batch, a[1])
  if not task then return refuse('not_found', 'task', 'there is no task ' .. a[1]) end
  if not is_open(task) then return 0 end
  local job = load_job(batch, task.id)
  redis.call('HSET', task_key(task.id), 'cancel_requested', 1)
  if job.state == 'running' then tell_stop(job, 'cancelled') end
  begin_closing(batch, task, job, 'cancelled', 'stale', '', 'cancelled')
  flush(batch)
  return 1
end)
