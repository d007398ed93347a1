-- A coordinator's own entry in the task's history.
-- KEYS: none. ARGV: task, token of the task job, type, body. Result: 1. Error stale.
register('ns3_append_event', function(_, a)
  local batch = new_batch()
  if not coordinates(a[1], a[2]) then return refuse('stale', 'token', STALE) end
  event(batch, a[1], a[3], { 'body', a[4] })
  flush(batch)
  return 1
end)
