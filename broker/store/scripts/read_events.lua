-- A task's history after one entry; fewer entries than asked for where they are large.
-- KEYS: none. ARGV: task, after (an entry's id or 0), limit.
-- Result: {1 when the task has ended and nothing follows, entries as XRANGE gives them}. Error not_found.
redis.register_function({ function_name = 'ns1_read_events', flags = { 'no-writes' }, callback = function(_, a)
  local state = redis.call('HGET', task_key(a[1]), 'state')
  if not state then return refuse('not_found', 'task', 'there is no task ' .. a[1]) end
  local after, limit = a[2], tonumber(a[3])
  local entries, bytes, exhausted = {}, 0, false
  while #entries < limit and bytes <= REPLY_BYTES and not exhausted do
    local some = redis.call('XRANGE', events_key(a[1]), '(' .. after, '+', 'COUNT', math.min(limit - #entries, 32))
    exhausted = #some == 0
    for _, entry in ipairs(some) do
      for _, text in ipairs(entry[2]) do bytes = bytes + #text end
      if bytes > REPLY_BYTES and #entries > 0 then break end
      table.insert(entries, entry)
      after = entry[1]
    end
  end
  if not exhausted then exhausted = #redis.call('XRANGE', events_key(a[1]), '(' .. after, '+', 'COUNT', 1) == 0 end
  local final = state == 'done' or state == 'failed' or state == 'cancelled'
  return { final and exhausted and 1 or 0, entries }
end })
