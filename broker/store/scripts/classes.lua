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

local function remove_unused_classes()
  if redis.call('ZREMRANGEBYSCORE', classes_key, '-inf', 0) > 0 then redis.call('INCR', classes_version_key) end
end

-- Whether one more task of this class can be open.
local function has_room_for(class)
  if redis.call('ZSCORE', classes_key, class) or redis.call('ZCARD', classes_key) < MOST_CLASSES then return true end
  remove_unused_classes()
  return redis.call('ZCARD', classes_key) < MOST_CLASSES
end

local TOO_MANY_CLASSES = 'open tasks ask for ' .. MOST_CLASSES ..
  ' different combinations of kind, pool and requirements already: use one of them'

-- One more task of this class is open; finish_closing() in state.lua takes it back.
local function count_in_class(class)
  if redis.call('ZINCRBY', classes_key, 1, class) == '1' then redis.call('INCR', classes_version_key) end
end

local OFFER = { 'kinds', 'pool', 'isa', 'tags', 'memory' } -- fields of a worker

-- The classes that a worker serves. `known` are those that it was found to serve at the version `seen` of all classes.
local function classes_of(worker, known, seen, version)
  local classes = {}
  if seen == version then
    for class in string.gmatch(known, '[^ ]+') do classes[#classes + 1] = class end
    return classes
  end
  local offer = redis.call('HMGET', worker_key(worker), unpack(OFFER))
  for _, class in ipairs(redis.call('ZRANGE', classes_key, 0, -1)) do
    if serves(offer, class) then table.insert(classes, class) end
  end
  redis.call('HSET', worker_key(worker), 'classes', table.concat(classes, ' '), 'classes_seen', version)
  return classes
end
