-- Hands ready jobs to workers: priority 1 before 2 before 3, round-robin over the tasks of a priority, each task within
-- its own limit and in the order in which its trials were enqueued. The workers of one call share what it reads.
--
-- A ring is read once a call. The turns of a call are as many trials each as let all its tasks have a share: what is
-- wanted over the tasks that wait. A task that has had its turn goes to the end, one that has no more trials or no room
-- leaves the ring; flush() of whoever changes that brings it back.
--
-- KEYS: none. ARGV: lease_ms, (worker, session, most trial jobs, most task jobs)*.
-- Result: {tasks, 1 when the call ended early because its jobs are large, jobs of the first worker, of the second, …}:
-- tasks = {id, kind, spec}*, flat; jobs = {index in tasks from 1, number or '', attempt, token, parameters, limits}*,
-- flat, or the text 'unknown_peer' when the session is not the worker's current one.

local MOST_HEADS = 256 -- tasks of a ring that one call looks at
local TURN = 64 -- trials taken between two looks at how large the reply has become

local function open_ring(call, key)
  local ring = call.rings[key]
  if ring then return ring end
  local found = redis.call('ZRANGE', key, 0, math.min(call.wanted, MOST_HEADS) - 1, 'WITHSCORES')
  ring = { key = key, heads = {}, first = 1, share = 0, gone = {}, served = {} }
  for i = 1, #found, 2 do table.insert(ring.heads, { id = found[i], turn = tonumber(found[i + 1]) }) end
  if #ring.heads > 0 then ring.share = math.ceil(call.wanted / #ring.heads) end
  call.rings[key] = ring
  return ring
end

-- Of the rings of these classes the one whose next task has the smallest turn; nil when all are empty.
local function next_ring(call, key_of, priority, classes)
  local best
  for _, class in ipairs(classes) do
    local ring = open_ring(call, key_of(priority, class))
    local head = ring.heads[ring.first]
    if head and (best == nil or head.turn < best.heads[best.first].turn) then best = ring end
  end
  return best
end

local function leave_ring(ring, head)
  ring.first = ring.first + 1
  ring.served[head.id] = nil
  table.insert(ring.gone, head.id)
end

local function index_of(call, task)
  if not task.index then
    table.insert(call.tasks, task)
    task.index = #call.tasks
  end
  return task.index
end

local function take(call, task, job, worker, parameters, limits)
  local token = math.max(job.token + 1, call.batch.us)
  local attempt = job.attempt + 1
  redis.call('HSET', job_key(job.id), 'state', 'running', 'token', text_of(token), 'attempt', attempt, 'worker', worker)
  local jobs = call.jobs
  table.insert(jobs, index_of(call, task))
  table.insert(jobs, job.number or '')
  table.insert(jobs, attempt)
  table.insert(jobs, text_of(token))
  table.insert(jobs, parameters)
  table.insert(jobs, limits)
  table.insert(call.held, call.deadline)
  table.insert(call.held, job.id)
  call.batch.leased = call.batch.leased + 1
  call.bytes = call.bytes + #parameters
  return attempt
end

local function lease_task_job(call, ring, worker)
  local id = ring.heads[ring.first].id
  leave_ring(ring, ring.heads[ring.first])
  local task = load_task(call.batch, id)
  if not task or not is_open(task) then return 0 end
  if task.state == 'pending' then
    redis.call('HSET', task_key(id), 'state', 'running', 'started', text_of(call.batch.now))
    redis.call('ZREM', tasks_key .. ':pending', id)
    redis.call('ZADD', tasks_key .. ':running', text_of(call.batch.now), id)
    task.state = 'running'
  end
  local v = redis.call('HMGET', job_key(id), 'token', 'attempt')
  local job = { id = id, token = tonumber(v[1] or 0), attempt = tonumber(v[2] or 0) }
  local attempt = take(call, task, job, worker, '', '')
  event(call.batch, id, 'task.started', { 'attempt', attempt, 'worker', worker })
  return 1
end

-- Some trials of the ring's next task: its turn's worth, what it has, or `most`. Returns how many.
local function lease_trials(call, ring, most, worker)
  local head = ring.heads[ring.first]
  local task = load_task(call.batch, head.id)
  local room = task and is_open(task) and task.workers - task.count.running or 0
  local turn = math.min(head.left or ring.share, most, room, TURN)
  local numbers = turn > 0 and redis.call('LPOP', ready_key(head.id), turn) or {}
  local count = 0
  for _, number in ipairs(numbers) do
    local id = head.id .. '/' .. number
    local v = redis.call('HMGET', job_key(id), 'state', 'token', 'attempt', 'parameters', 'limits')
    if v[1] == 'waiting' then -- else it was stopped before it began
      local job = { id = id, number = number, token = tonumber(v[2] or 0), attempt = tonumber(v[3] or 0) }
      local attempt = take(call, task, job, worker, v[4], v[5] or '')
      trial_event(call.batch, head.id, 'trial.started', number, attempt, worker)
      count = count + 1
    end
  end
  if count > 0 then
    change(call.batch, task, 'running', count)
    add_depth(call.batch, task.priority, -count)
  end
  if #numbers < turn or turn <= 0 or count == room then
    leave_ring(ring, head)
  else
    head.left = (head.left or ring.share) - turn
    ring.served[head.id] = true
    if head.left <= 0 then
      ring.first = ring.first + 1
      table.insert(ring.heads, { id = head.id, turn = head.turn + 1e9 }) -- again when all others had theirs
    end
  end
  return count
end

-- Writes down whose turn it was. Order: as the turns were had.
local function close_rings(call)
  for key, ring in pairs(call.rings) do
    in_pieces('ZREM', key, ring.gone)
    local served = {}
    for i = 1, #ring.heads do
      local id = ring.heads[i].id
      if ring.served[id] then
        ring.served[id] = nil
        table.insert(served, id)
      end
    end
    if #served > 0 then
      local turn = redis.call('INCRBY', turn_key, #served) - #served
      local places = {}
      for i, id in ipairs(served) do
        table.insert(places, text_of(turn + i))
        table.insert(places, id)
      end
      in_pieces('ZADD', key, places)
    end
  end
end

local function lease_for(call, worker, session, compute, control)
  local known = redis.call('HMGET', worker_key(worker), unpack(OFFER))
  if known[1] ~= session then return 'unknown_peer' end
  local classes = classes_of(worker, known)
  call.jobs, call.held = {}, {}
  for priority = 1, 3 do
    local ring = control > 0 and next_ring(call, control_key, priority, classes)
    while control > 0 and ring and call.bytes < REPLY_BYTES do
      control = control - lease_task_job(call, ring, worker)
      ring = next_ring(call, control_key, priority, classes)
    end
    ring = compute > 0 and next_ring(call, ring_key, priority, classes)
    while compute > 0 and ring and call.bytes < REPLY_BYTES do
      compute = compute - lease_trials(call, ring, compute, worker)
      ring = next_ring(call, ring_key, priority, classes)
    end
  end
  if #call.held > 0 then
    in_pieces('ZADD', held_key(worker), call.held)
    redis.call('ZADD', leases_key, 'LT', call.deadline, worker)
  end
  return call.jobs
end

redis.register_function('ns2_lease', function(_, a)
  local batch = new_batch()
  local call = { batch = batch, deadline = text_of(batch.now + tonumber(a[1])), wanted = 0, bytes = 0, rings = {},
    tasks = {} }
  for i = 2, #a, 4 do call.wanted = call.wanted + math.max(tonumber(a[i + 2]), tonumber(a[i + 3])) end
  local reply = { false, 0 }
  for i = 2, #a, 4 do
    table.insert(reply, lease_for(call, a[i], a[i + 1], tonumber(a[i + 2]), tonumber(a[i + 3])))
  end
  close_rings(call)
  flush(batch)
  local tasks = {}
  for _, task in ipairs(call.tasks) do
    local v = redis.call('HMGET', task_key(task.id), 'kind', 'spec')
    table.insert(tasks, task.id)
    table.insert(tasks, v[1])
    table.insert(tasks, v[2])
  end
  reply[1], reply[2] = tasks, call.bytes < REPLY_BYTES and 0 or 1
  return reply
end)
