-- Hands ready jobs to a worker: priority 1 before 2 before 3, round-robin over the tasks of a priority, each task
-- within its own limit. Cost: O(log tasks + log trials) a job.
-- KEYS: none. ARGV: worker, session, lease_ms, most trial jobs, most task jobs.
-- Result: {jobs, specs}: jobs = {job, task, task kind, number or '', attempt, token, parameters, time limit, memory
-- limit}*, specs = {task, spec}*. Error unknown_peer: the session is not the worker's current one.

local function take(batch, task, job, leased, worker)
  local v = redis.call('HMGET', job_key(job.id), 'token', 'attempt', 'parameters', 'time_limit_ms', 'memory_limit_bytes')
  local token, attempt = text_of(tonumber(v[1] or 0) + 1), tonumber(v[2] or 0) + 1
  redis.call('HSET', job_key(job.id), 'state', 'running', 'token', token, 'attempt', attempt, 'worker', worker,
    'started', text_of(batch.now), 'metrics', 0)
  local fields = { 'attempt', attempt, 'worker', worker }
  if job.number then
    table.insert(fields, 'trial')
    table.insert(fields, job.number)
  end
  event(batch, task.id, job.number and 'trial.started' or 'task.started', fields)
  table.insert(leased.jobs, { job.id, task.id, task.kind, job.number or '', tostring(attempt), token, v[3] or '',
    v[4] or '0', v[5] or '0' })
  leased.tasks[task.id] = true
end

-- The task with the smallest turn among the rings of these kinds; nil when all are empty. Second: it is the only one.
local function next_task(key_of, priority, kinds)
  local best, best_turn, others = nil, nil, false
  for _, kind in ipairs(kinds) do
    local head = redis.call('ZRANGE', key_of(priority, kind), 0, 1, 'WITHSCORES')
    if head[1] then
      others = others or best ~= nil or head[3] ~= nil
      if best == nil or tonumber(head[2]) < best_turn then best, best_turn = head[1], tonumber(head[2]) end
    end
  end
  return best, not others
end

local function lease_task_job(batch, id, leased, worker)
  local task = load_task(batch, id)
  redis.call('ZREM', control_key(task.priority, task.kind), id)
  if task.state == 'pending' then
    redis.call('HSET', task_key(id), 'state', 'running', 'started', text_of(batch.now))
    redis.call('ZREM', tasks_key .. ':pending', id)
    redis.call('ZADD', tasks_key .. ':running', text_of(batch.now), id)
    task.state = 'running'
  end
  take(batch, task, { id = id }, leased, worker)
end

-- One trial where other tasks wait too, as many as may be where none does. Returns how many.
local function lease_trials(batch, id, most, alone, leased, worker)
  local task = load_task(batch, id)
  local ring = ring_key(task.priority, task.kind)
  local room = math.min(alone and most or 1, task.workers - task.count.running)
  local popped = room > 0 and redis.call('ZPOPMIN', ready_key(id), room) or {}
  local count = #popped / 2
  for i = 1, #popped, 2 do take(batch, task, { id = id .. '/' .. popped[i], number = popped[i] }, leased, worker) end
  change(task, 'waiting', -count)
  change(task, 'running', count)
  add_depth(batch, task.priority, -count)
  if count < room or room <= 0 or task.count.running >= task.workers then
    redis.call('ZREM', ring, id) -- flush() puts it back where it belongs there
  elseif not alone then
    redis.call('ZADD', ring, redis.call('INCR', turn_key), id)
  end
  return count
end

redis.register_function('ns1_lease', function(_, a)
  local worker, session, lease_ms = a[1], a[2], tonumber(a[3])
  local compute, control = tonumber(a[4]), tonumber(a[5])
  local known = redis.call('HMGET', worker_key(worker), 'session', 'kinds')
  if known[1] ~= session then return refuse('unknown_peer', 'session', 'say hello again') end
  local kinds = {}
  for kind in string.gmatch(known[2], '[^,]+') do table.insert(kinds, kind) end

  local batch = new_batch()
  local leased = { jobs = {}, tasks = {} }
  for priority = 1, 3 do
    while control > 0 do
      local id = next_task(control_key, priority, kinds)
      if not id then break end
      lease_task_job(batch, id, leased, worker)
      control = control - 1
    end
    while compute > 0 do
      local id, alone = next_task(ring_key, priority, kinds)
      if not id then break end
      compute = compute - lease_trials(batch, id, compute, alone, leased, worker)
    end
  end

  local leases, held, deadline = {}, {}, text_of(batch.now + lease_ms)
  for _, job in ipairs(leased.jobs) do
    table.insert(leases, deadline)
    table.insert(leases, job[1])
    table.insert(held, job[1])
  end
  in_pieces('ZADD', leases_key, leases)
  in_pieces('SADD', held_key(worker), held)
  flush(batch)
  local specs = {}
  for id in pairs(leased.tasks) do
    table.insert(specs, id)
    table.insert(specs, redis.call('HGET', task_key(id), 'spec'))
  end
  return { leased.jobs, specs }
end)
