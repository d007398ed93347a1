-- A task's history after one event; fewer events than asked for where they are large, or where many are not of the types
-- asked for. Entries of many trials (see state.lua) are taken apart: their events are '<entry>.1', '<entry>.2', ….
-- KEYS: none. ARGV: task, after (an event's id or 0), limit, types (comma list, '' for all).
-- Result: {0: that is all for now, 1: and the task has ended, 2: more follows; id to go on after, (id, type, time, trial,
-- attempt, worker, body)*}. Error not_found.

local ENTRIES_LOOKED_AT = 2048 -- in one call
local TAIL = 8 -- entries that one who keeps up has not seen, at most

local BODY_OF = { ['trial.enqueued'] = 'parameters', ['trial.succeeded'] = 'result' }

-- The trials of an entry of many, as numbers' texts.
local function numbers_of(text)
  local numbers = {}
  for first, last in string.gmatch(text, '(%d+)%-?(%d*)') do
    for number = tonumber(first), tonumber(last ~= '' and last or first) do numbers[#numbers + 1] = tostring(number) end
  end
  return numbers
end

local function add_event(page, id, fields, trial, attempt, body)
  local out, n = page.out, #page.out
  out[n + 1], out[n + 2], out[n + 3], out[n + 4] = id, fields.type, fields.time, trial
  out[n + 5], out[n + 6], out[n + 7] = attempt, fields.worker or '', body
  page.count = page.count + 1
  page.bytes = page.bytes + #body + 100
  page.next = id
end

local function is_full(page) return page.count >= page.limit or page.bytes > REPLY_BYTES end

-- The events of an entry of many, from the one after `skip`. False: the page is full before its end.
local function add_trials(page, task, id, fields, skip)
  local numbers = numbers_of(fields.trials)
  local attempts = {}
  for attempt in string.gmatch(fields.attempts or '', '%d+') do table.insert(attempts, attempt) end
  local field, prefix = BODY_OF[fields.type], job_key(task .. '/')
  for i = skip + 1, #numbers do
    if is_full(page) then return false end
    local body = field and redis.call('HGET', prefix .. numbers[i], field) or ''
    add_event(page, #numbers == 1 and id or id .. '.' .. i, fields, numbers[i], attempts[i] or '1', body)
  end
  return true
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

register_reader('ns2_read_events', function(_, a)
  local task = a[1]
  local state = redis.call('HGET', task_key(task), 'state')
  if not state then return refuse('not_found', 'task', 'there is no task ' .. task) end
  local wanted = words_of(a[4])
  local page = { out = { 0, a[2] }, count = 0, bytes = 0, limit = tonumber(a[3]), next = a[2] }
  local entry_id, skip = string.match(a[2], '^([%d-]+)%.?(%d*)$')
  skip = tonumber(skip) or 0
  local from, exhausted, looked = (skip > 0 and '' or '(') .. entry_id, false, 0
  local tail = entry_id ~= '0' and read_tail(task, from)
  while not is_full(page) and not exhausted and looked < ENTRIES_LOOKED_AT do
    local some = tail or redis.call('XRANGE', events_key(task), from, '+', 'COUNT', 32)
    exhausted = #some < 32
    for i, entry in ipairs(some) do
      local id, fields = entry[1], fields_of(entry[2])
      local whole = true
      if a[4] ~= '' and not wanted[fields.type] then
        page.next = id
      elseif fields.trials then
        whole = add_trials(page, task, id, fields, id == entry_id and skip or 0)
        if whole then page.next = id end
      else
        add_event(page, id, fields, fields.trial or '0', fields.attempt or '0', fields.body or '')
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
