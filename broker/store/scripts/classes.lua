-- What a task asks of a worker, as one text: two tasks of the same class can be served by the same workers, and share a
-- ring of each priority.
--
--   class := kind '@' pool ['|isa=' words] ['|tags=' words] ['|memory=' bytes]        words := word (',' word)*
--
-- `words` are sorted by whoever submits, so that equal demands make equal classes.

local MOST_CLASSES = 128 -- each lease looks at the rings of all that its worker serves

local function words_of(text)
  local words = {}
  for word in string.gmatch(text or '', '[^,]+') do words[word] = true end
  return words
end

local function has_all(words, wanted)
  for word in string.gmatch(wanted, '[^,]+') do
    if not words[word] then return false end
  end
  return true
end

-- `offer` = {kinds, pool, isa, tags, memory} as hello.lua stored them.
local function serves(offer, class)
  local kind, pool, demands = string.match(class, '^([^@]+)@([^|]+)(.*)$')
  if not words_of(offer[1])[kind] or offer[2] ~= pool then return false end
  for name, value in string.gmatch(demands, '|(%a+)=([^|]*)') do
    if name == 'isa' and not has_all(words_of(offer[3]), value) then return false end
    if name == 'tags' and not has_all(words_of(offer[4]), value) then return false end
    if name == 'memory' and tonumber(offer[5]) < tonumber(value) then return false end
  end
  return true
end

-- The classes that a worker serves. `known` = {session, kinds, pool, isa, tags, memory, classes, how many there were}.
local function classes_of(worker, known)
  local count = redis.call('SCARD', classes_key)
  local classes = {}
  if known[8] == tostring(count) then
    for class in string.gmatch(known[7] or '', '[^ ]+') do table.insert(classes, class) end
    return classes
  end
  local offer = { known[2], known[3], known[4], known[5], known[6] }
  for _, class in ipairs(redis.call('SMEMBERS', classes_key)) do
    if serves(offer, class) then table.insert(classes, class) end
  end
  redis.call('HSET', worker_key(worker), 'classes', table.concat(classes, ' '), 'classes_seen', count)
  return classes
end

local OFFER = { 'session', 'kinds', 'pool', 'isa', 'tags', 'memory', 'classes', 'classes_seen' }
