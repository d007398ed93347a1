-- How a transition becomes a function that Redis calls: register() one that writes, register_relief() one that Redis
-- carries out when it is full too (it ends work, keeps it where it is, or makes room), register_reader() one that only reads.
--
-- Redis looks a global name up in an empty table, then in that table's metatable, then where it is: some 300 instructions a
-- time, a hundred times a call. So the names that are used live in locals. They cannot be filled here, since while a library
-- is loaded there is nothing but redis.register_function: the first call does it.

local register_function = redis.register_function
local redis, string, table, math, cjson
local ipairs, next, pairs, pcall, tonumber, tostring, type, unpack

local function find_globals()
  local global = _G
  redis, string, table, math, cjson = global.redis, global.string, global.table, global.math, global.cjson
  ipairs, next, pairs, pcall = global.ipairs, global.next, global.pairs, global.pcall
  tonumber, tostring, type, unpack = global.tonumber, global.tostring, global.type, global.unpack
end

local function register_with(flags, name, callback)
  register_function({ function_name = name, flags = flags, callback = function(keys, arguments)
    if not redis then find_globals() end
    return callback(keys, arguments)
  end })
end

local function register(name, callback) register_with({}, name, callback) end
local function register_relief(name, callback) register_with({ 'allow-oom' }, name, callback) end
local function register_reader(name, callback) register_with({ 'no-writes' }, name, callback) end
