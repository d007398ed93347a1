-- Dead letters as an operator deals with them. The letter of a trial can be requeued while its task is open, that of a
-- task job when the task failed by it.

-- As if it had never been tried; its last lease stays, so that tokens grow, and so do the reasons.
local function make_untried(id)
  redis.call('HDEL', job_key(id), 'state', 'finished', 'result', 'error', 'answer', 'attempts')
end

local function undo_end(batch, task, number, state)
  make_untried(task.id .. '/' .. number)
  change(batch, task, state, -1)
  change(batch, task, 'requeued', 1)
  trial_event(batch, task.id, 'trial.requeued', number, nil, '')
end

local function requeue_trial(batch, task, job)
  if not is_open(task) then
    return 'its task has ended (' .. (task.closing or task.state) .. '): submit the task again, or requeue its task job where that is dead'
  end
  undo_end(batch, task, job.number, 'failed')
  make_ready(batch, task, job)
  return ''
end

-- The trials that were cancelled because the task failed wait again, in the order of their numbers.
local function requeue_cancelled(batch, task)
  local numbers = {}
  for value = 0, task.count.last do
    local number = text_of(value)
    local v = redis.call('HMGET', job_key(task.id .. '/' .. number), 'state', 'error')
    if v[1] == 'cancelled' and v[2] == TASK_ENDED then
      undo_end(batch, task, number, 'cancelled')
      numbers[#numbers + 1] = number
    end
  end
  if #numbers == 0 then return end
  in_pieces('RPUSH', ready_key(task.id), numbers)
  add_depth(batch, task.priority, #numbers)
  task.may_enter = true
end

local function requeue_task(batch, task, job)
  if task.state ~= 'failed' then return 'its task has not failed: it is ' .. (task.closing and 'ending' or task.state) end
  if not has_room_for(task.class) then return TOO_MANY_CLASSES end
  local key = task_key(task.id)
  redis.call('ZREM', tasks_key .. ':failed', task.id)
  count_in_class(task.class)
  redis.call('ZADD', tasks_key .. ':pending', batch.now_text, task.id)
  local deadline = tonumber(redis.call('HGET', key, 'deadline_ms') or 0)
  if deadline > 0 then redis.call('ZADD', deadlines_key, text_of(batch.now + deadline), task.id) end
  redis.call('HSET', key, 'state', 'pending')
  redis.call('HDEL', key, 'started', 'finished', 'result', 'error')
  task.state = 'pending'
  make_untried(task.id)
  event(batch, task.id, 'task.requeued')
  requeue_cancelled(batch, task)
  make_ready(batch, task, job)
  return ''
end

local NO_LETTER = 'there is no dead letter of this job'

local function requeue(batch, id)
  if not redis.call('ZSCORE', dead_key, id) then return NO_LETTER end
  local task = load_task(batch, task_of(id))
  local job = task and load_unleased(id)
  if not job then return NO_LETTER end
  local refusal = (job.number and requeue_trial or requeue_task)(batch, task, job)
  if refusal == '' then redis.call('ZREM', dead_key, id) end
  return refusal
end

-- The jobs wait again, from their first attempt.
-- KEYS: none. ARGV: job*. Result, one a job: '', or why not.
register('ns3_requeue_dead', function(_, a)
  local batch, results = new_batch(), {}
  for i, id in ipairs(a) do results[i] = requeue(batch, id) end
  flush(batch)
  return results
end)

-- The letters are thrown away; the jobs stay as they ended.
-- KEYS: none. ARGV: job*. Result, one a job: '', or why not.
register_relief('ns3_purge_dead', function(_, a)
  local results = {}
  for i, id in ipairs(a) do results[i] = redis.call('ZREM', dead_key, id) == 1 and '' or NO_LETTER end
  return results
end)
