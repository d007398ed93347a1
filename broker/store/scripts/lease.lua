-- Hands ready jobs to workers: priority 1 before 2 before 3, round-robin over the tasks of a priority, each task within
-- its own limit and in the order in which its trials were enqueued. The workers of one call share what it reads.
--
-- A ring is read once a call. The turns of a call are as many trials each as let the tasks that wait have a share of what
-- is wanted: all of them, or the first few where they are many, since each task that a call touches costs as much as several
-- trials. A task that has had its turn goes to the end, one that has no more trials or no room leaves the ring; flush() of
-- whoever changes that brings it back. So a ring holds tasks that are open.
--
-- KEYS: none. ARGV: lease_ms, (worker, session, most trial jobs, most task jobs)*.
-- Result: {tasks, 1 when the call ended early because its jobs are large, jobs of the first worker, of the second, …}:
-- tasks = {id, kind, spec}*, flat; jobs = {index in tasks from 1, numbers of trials ('4,5,9') or '' for the task job, attempt,
-- token, limits, parameters of each trial}*, flat, or the text 'unknown_peer' when the session is not the worker's current
-- one.

local FEW = 8 -- tasks that share what a call wants
local MOST_HEADS = 256 -- tasks of a ring that one call looks at, after the first few
local TURN = 64 -- trials taken between two looks at how large the reply has become

-- Those of the ring's tasks that come after those read before, at most as many as there are jobs wanted.
local function read_heads(call, ring)
  in_pieces('ZREM', ring.key, ring.gone)
  ring.read, ring.gone = ring.read - #ring.gone, {}
  local most = math.min(call.wanted, ring.read == 0 and FEW or MOST_HEADS)
  local found = redis.call('ZRANGE', ring.key, ring.read, ring.read + most - 1, 'WITHSCORES')
  local count = #found / 2
  for i = 1, #found, 2 do
    ring.heads[#ring.heads + 1] = { id = found[i], turn = found[i + 1] + 0, left = false }
  end
  ring.read = ring.read + count
  ring.more = count == most
  if count > 0 then ring.share = math.ceil(call.wanted / math.min(count, FEW)) end
end

local function open_ring(call, key_of, priority, class)
  local key = key_of(priority, class)
  local ring = call.rings[key]
  if ring == nil then
    ring = { key = key, priority = priority, class = class, heads = {}, first = 1, read = 0, more = false, share = 0, again = {}, gone = {}, served = {},
      order = {} }
    call.rings[key] = ring
    read_heads(call, ring)
  end
  while ring.heads[ring.first] == nil and ring.more do read_heads(call, ring) end
  if ring.heads[ring.first] == nil and #ring.again > 0 then -- all had their turn: another round
    ring.heads, ring.first, ring.again = ring.again, 1, {}
  end
  return ring
end

-- Whether any task waits for a worker of these classes: one command where looking at each ring takes one for each.
local function any_waits(classes, compute, control)
  local rings, n = {}, 0
  for _, class in ipairs(classes) do
    for priority = 1, 3 do
      if compute > 0 then rings[n + 1], n = ring_key(priority, class), n + 1 end
      if control > 0 then rings[n + 1], n = control_key(priority, class), n + 1 end
    end
  end
  return n > 0 and redis.call('EXISTS', unpack(rings)) > 0
end

-- Of the rings of these classes the one whose next task has the smallest turn; nil when all are empty.
local function next_ring(call, key_of, priority, classes)
  local best
  for _, class in ipairs(classes) do
    local ring = open_ring(call, key_of, priority, class)
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

-- Token and attempt of a new lease; `attempts` and `last` (lease) tell of those before.
local function new_lease(call, attempts, last)
  local token = call.token
  if last and last ~= '' then -- by the clock it is later; where the clock was set back, by one
    local last_token = tonumber(string.match(last, ' (%d+) '))
    if last_token >= call.batch.us then token = text_of(last_token + 1) end
  end
  return token, attempts and tostring(attempts + 1) or '1'
end

-- Jobs of a task that were leased alike go into the reply together. What is the same for all of them is put together once:
-- these are the lines that run once a job.
local function end_group(call)
  local group = call.group
  if not group then return end
  call.group = false
  local numbers = group.numbers
  if #numbers == 0 then return end
  call.jobs[group.at] = table.concat(numbers, ',')
  if group.attempt == '1' then
    trials_event(call.batch, group.task.id, 'trial.started', numbers, call.worker)
  else
    for _, number in ipairs(numbers) do
      trial_event(call.batch, group.task.id, 'trial.started', number, group.attempt, call.worker)
    end
  end
end

local function begin_group(call, task, token, attempt, limits)
  end_group(call)
  if not task.index then
    local index = #call.tasks + 1
    call.tasks[index], task.index, task.leases = task, index, {}
  end
  local list, n = call.jobs, #call.jobs
  list[n + 1], list[n + 2], list[n + 3], list[n + 4], list[n + 5] = task.index, '', attempt, token, limits
  call.group = { task = task, token = token, attempt = attempt, limits = limits, numbers = {}, at = n + 2,
    lease = call.worker .. ' ' .. token .. ' ' .. attempt }
  return call.group
end

-- What is written at the end of a job that is leased now.
local function hold(call, task, field, id, lease)
  local list, n = call.held, #call.held
  list[n + 1], list[n + 2] = call.deadline, id
  list, n = task.leases, #task.leases
  list[n + 1], list[n + 2] = field, lease
  call.batch.leased = call.batch.leased + 1
end

local function take_trial(call, task, number, id, token, attempt, parameters, limits)
  local group = call.group
  if not group or group.task ~= task or group.attempt ~= attempt or group.token ~= token or group.limits ~= limits then
    group = begin_group(call, task, token, attempt, limits)
  end
  group.numbers[#group.numbers + 1] = number
  call.jobs[#call.jobs + 1] = parameters
  call.bytes = call.bytes + #parameters
  hold(call, task, number, id, group.lease)
end

-- nil when there is no such task.
local function load_from(call, ring, id)
  local task = load_some(call.batch, id, TO_LEASE)
  if task then task.class, task.priority = ring.class, ring.priority end
  return task
end

local function lease_task_job(call, ring)
  local id = ring.heads[ring.first].id
  leave_ring(ring, ring.heads[ring.first])
  local task = load_from(call, ring, id)
  if not task then return 0 end
  if redis.call('HGET', task_key(id), 'state') == 'pending' then
    redis.call('HSET', task_key(id), 'state', 'running', 'started', call.batch.now_text)
    redis.call('ZREM', tasks_key .. ':pending', id)
    redis.call('ZADD', tasks_key .. ':running', call.batch.now_text, id)
  end
  local v = redis.call('HMGET', job_key(id), 'attempts', 'lease')
  local token, attempt = new_lease(call, v[1], v[2])
  hold(call, task, 'task', id, begin_group(call, task, token, attempt, '').lease)
  call.group = false -- no trial belongs there
  event(call.batch, id, 'task.started', { 'attempt', attempt, 'worker', call.worker })
  return 1
end

-- Some trials of the ring's next task: its turn's worth, what it has, or `most`. Returns how many.
local function lease_trials(call, ring, most)
  local head = ring.heads[ring.first]
  local task = load_from(call, ring, head.id)
  local room = task and task.workers - task.count.running or 0
  local turn = math.min(head.left or ring.share, most, room, TURN)
  local numbers = turn > 0 and redis.call('LPOP', ready_key(head.id), turn) or {}
  local count, prefix = 0, head.id .. '/'
  for i = 1, #numbers do
    local number = numbers[i]
    local id = prefix .. number
    local v = redis.call('HGETALL', job_key(id)) -- nearly always {'parameters', …}
    local token, attempt, parameters, limits = call.token, '1', v[2], ''
    if #v > 2 then
      local fields = fields_of(v)
      token, attempt = new_lease(call, fields.attempts, fields.lease)
      if fields.state then token = nil end -- it was stopped before it began
      parameters, limits = fields.parameters, fields.limits or ''
    end
    if token then
      take_trial(call, task, number, id, token, attempt, parameters, limits)
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
    if not ring.served[head.id] then
      ring.served[head.id] = true
      ring.order[#ring.order + 1] = head.id
    end
    if head.left <= 0 then
      ring.first = ring.first + 1
      head.left = false
      ring.again[#ring.again + 1] = head
    end
  end
  return count
end

-- Writes down whose turn it was. Order: as the turns were had. Of whom the last trial was taken leaves now, rather than
-- be looked at in vain by the next call.
local function close_rings(call)
  for key, ring in pairs(call.rings) do
    local served, gone, count = {}, ring.gone, 0
    for _, id in ipairs(ring.order) do
      if ring.served[id] then
        if redis.call('LLEN', ready_key(id)) == 0 then
          gone[#gone + 1] = id
        else
          count = count + 1
          served[count] = id
        end
      end
    end
    in_pieces('ZREM', key, gone)
    if count > 0 then
      local turn, places = redis.call('INCRBY', turn_key, count) - count, {}
      for i, id in ipairs(served) do
        places[2 * i - 1], places[2 * i] = text_of(turn + i), id
      end
      in_pieces('ZADD', key, places)
    end
  end
end

-- What only a call needs that finds work: most calls at low load find none.
local function begin(call)
  local batch = new_batch()
  call.batch, call.rings, call.tasks = batch, {}, {}
  call.token, call.deadline = text_of(batch.us), text_of(batch.now + call.lease_ms)
end

local function lease_for(call, worker, session, compute, control)
  local known = redis.call('HMGET', worker_key(worker), 'session', 'classes', 'classes_seen')
  if known[1] ~= session then return 'unknown_peer' end
  local classes = classes_of(worker, known[2], known[3], call.classes)
  if not any_waits(classes, compute, control) then return {} end
  if not call.batch then begin(call) end
  call.jobs, call.held, call.worker, call.group = {}, {}, worker, false
  for priority = 1, 3 do
    local ring = control > 0 and next_ring(call, control_key, priority, classes)
    while control > 0 and ring and call.bytes < REPLY_BYTES do
      control = control - lease_task_job(call, ring)
      ring = control > 0 and next_ring(call, control_key, priority, classes)
    end
    ring = compute > 0 and next_ring(call, ring_key, priority, classes)
    while compute > 0 and ring and call.bytes < REPLY_BYTES do
      compute = compute - lease_trials(call, ring, compute)
      ring = compute > 0 and next_ring(call, ring_key, priority, classes)
    end
  end
  end_group(call)
  if #call.held > 0 then
    in_pieces('ZADD', held_key(worker), call.held)
    local first = redis.call('ZSCORE', leases_key, worker)
    if not first or first + 0 > call.deadline + 0 then redis.call('ZADD', leases_key, call.deadline, worker) end
  end
  return call.jobs
end

register('ns3_lease', function(_, a)
  local call = { lease_ms = a[1], wanted = 0, bytes = 0, classes = redis.call('GET', classes_version_key) or '0', batch = false,
    worker = false, jobs = false, held = false, group = false }
  for i = 2, #a, 4 do call.wanted = call.wanted + math.max(a[i + 2] + 0, a[i + 3] + 0) end
  local reply = { {}, 0 }
  for i = 2, #a, 4 do reply[#reply + 1] = lease_for(call, a[i], a[i + 1], a[i + 2] + 0, a[i + 3] + 0) end
  if not call.batch then return reply end
  close_rings(call)
  flush(call.batch)
  local tasks = {}
  for i, task in ipairs(call.tasks) do
    in_pieces('HSET', leased_key(task.id), task.leases)
    tasks[3 * i - 2], tasks[3 * i - 1], tasks[3 * i] = task.id, string.match(task.class, '^[^@]+'), task.spec
  end
  reply[1], reply[2] = tasks, call.bytes < REPLY_BYTES and 0 or 1
  return reply
end)
