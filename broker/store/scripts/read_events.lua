-- A task's history after one event; fewer events than asked for where they are large, or where many are not of the types
-- asked for. Entries of many trials (see state.lua) are taken apart: their events are '<entry>.1', '<entry>.2', ….
-- KEYS: none. ARGV: task, after (an event's id or 0), limit, types (comma list, '' for all).
-- Result: {0: that is all for now, 1: and the task has ended, 2: more follows; id to go on after, entry*}. Error not_found.
-- An entry: id, type, time, worker, its trials ('3,5-9', '' of none), their attempts (list, '' for 1 each), how many of its
-- events are left out at the beginning, how many follow, {a body each, or nothing where they have none}.

local ENTRIES_LOOKED_AT = 2048 -- in one call
local TAIL = 8 -- entries that one who keeps up has not seen, at most

local BODY_OF = { ['trial.enqueued'] = 'parameters', ['trial.succeeded'] = 'result' }

-- The trials of an entry of many, as numbers' texts.
local function numbers_of(ranges)
  local numbers, n = {}, 0
  for first, last in string.gmatch(ranges, '(%d+)%-?(%d*)') do
    n = n + 1
    numbers[n] = first
    if last ~= '' then
      for number = first + 1, last + 0 do
        n = n + 1
        numbers[n] = text_of(number)
      end
    end
  end
  return numbers
end

local function count_of(ranges)
  local count = 0
  for first, last in string.gmatch(ranges, '(%d+)%-?(%d*)') do count = count + (last == '' and 1 or last - first + 1) end
  return count
end

local function add_entry(page, id, fields, trials, attempts, skip, count, bodies)
  local out, n = page.out, #page.out
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = id, fields.type, fields.time, fields.worker or ''
  out[n + 5], out[n + 6], out[n + 7], out[n + 8], out[n + 9] = trials, attempts, skip, count, bodies
  page.count, page.bytes = page.count + count, page.bytes + 100 * count
  for i = 1, #bodies do page.bytes = page.bytes + #bodies[i] end
end

local function is_full(page) return page.count >= page.limit or page.bytes > REPLY_BYTES end

-- As many bodies as there is room for, of these trials from the one after `skip`.
local function read_bodies(page, prefix, numbers, skip, field)
  local bodies, n, room = {}, 0, REPLY_BYTES - page.bytes
  for i = skip + 1, math.min(#numbers, skip + page.limit - page.count) do
    if room < 0 then break end
    local body = redis.call('HGET', prefix .. numbers[i], field) or ''
    n = n + 1
    bodies[n], room = body, room - #body - 100
  end
  return bodies
end

-- The events of an entry of many, from the one after `skip`. False: the page is full before its end.
local function add_trials(page, task, id, fields, skip)
  local field, bodies, count, total = BODY_OF[fields.type], {}, 0, 0
  if field then
    local numbers = numbers_of(fields.trials)
    bodies = read_bodies(page, job_key(task .. '/'), numbers, skip, field)
    count, total = #bodies, #numbers
  else
    total = count_of(fields.trials)
    count = math.min(total - skip, page.limit - page.count)
  end
  if count > 0 then add_entry(page, id, fields, fields.trials, fields.attempts or '', skip, count, bodies) end
  if skip + count == total then
    page.next = id
    return true
  end
  page.next = id .. '.' .. skip + count
  return false
end

-- What follows `from`, when that is little; nil otherwise. Redis finds the end of a stream at once, but a place within it
-- by going through as many as a hundred entries before it.
local function read_tail(task, from)
  local tail = redis.call('XREVRANGE', events_key(task), '+', from, 'COUNT', TAIL + 1)
  local count = #tail
  if count > TAIL then return nil end
  for i = 1, math.floor(count / 2) do tail[i], tail[count + 1 - i] = tail[count + 1 - i], tail[i] end
  return tail
end

register_reader('ns3_read_events', function(_, a)
  local task = a[1]
  local state = redis.call('HGET', task_key(task), 'state')
  if not state then return refuse('not_found', 'task', 'there is no task ' .. task) end
  local wanted = ',' .. a[4] .. ','
  local page = { out = { 0, a[2] }, count = 0, bytes = 0, limit = tonumber(a[3]), next = a[2] }
  local entry_id, skip = string.match(a[2], '^([%d-]+)%.?(%d*)$')
  skip = tonumber(skip) or 0
  local from, exhausted, looked = (skip > 0 and '' or '(') .. entry_id, false, 0
  local tail = entry_id ~= '0' and read_tail(task, from)
  while not is_full(page) and not exhausted and looked < ENTRIES_LOOKED_AT do
    local some = tail or redis.call('XRANGE', events_key(task), from, '+', 'COUNT', 32)
    exhausted = #some < 32
    for i, entry in ipairs(some) do
      local id, type, whole = entry[1], entry[2][2], true
      if wanted ~= ',,' and not string.find(wanted, ',' .. type .. ',', 1, true) then
        page.next = id
      else
        local fields = fields_of(entry[2])
        if fields.trials then
          whole = add_trials(page, task, id, fields, id == entry_id and skip or 0)
        else
          add_entry(page, id, fields, fields.trial or '', fields.attempt or '0', 0, 1, { fields.body or '' })
          page.next = id
        end
      end
      from = '(' .. id
      if not whole or (is_full(page) and i < #some) then
        exhausted = false
        break
      end
    end
    looked = looked + #some
  end
  local final = state == 'done' or state == 'failed' or state == 'cancelled'
  page.out[1] = exhausted and (final and 1 or 0) or 2
  page.out[2] = page.next
  return page.out
end)
