-- Every Redis key and channel, made here and nowhere else. broker/README.md shows them with redis-cli.

local SCHEMA = '3' -- of what is stored; another number in ns:schema is refused at start

local schema_key = 'ns:schema' -- string
local instance_key = 'ns:instance' -- string: random name of this data; another one when Redis was emptied
local turn_key = 'ns:turn' -- counter: places in the rings
local sessions_key = 'ns:sessions' -- counter: sessions of workers
local swept_key = 'ns:swept' -- string: when a broker last swept, ms

local tasks_key = 'ns:tasks' -- zset: task -> time of submission; with ':<state>' those in that state
local closing_key = 'ns:closing' -- zset: task whose trials are being cancelled before it ends -> since
local deadlines_key = 'ns:deadlines' -- zset: task -> when it fails unless it has ended
local leases_key = 'ns:leases' -- zset: worker -> a time before which none of its leases ends
local delayed_key = 'ns:delayed' -- zset: job -> when it becomes ready (again)
local dead_key = 'ns:dead' -- zset: job given up after its last attempt -> since
local forgetting_key = 'ns:forgetting' -- zset: task that is being removed -> how many numbers of trials are left to look at
local stats_key = 'ns:stats' -- hash: counters of attempts, and samples of them; see state.lua
local depth_key = 'ns:depth' -- hash: '<priority>' -> trials ready
local workers_key = 'ns:workers' -- zset: worker -> last heard of
local brokers_key = 'ns:brokers' -- zset: endpoint that other brokers reach one at -> last heard of
local broker_keys_key = 'ns:brokers:keys' -- hash: endpoint -> public key of the broker there

local function task_key(task) return 'ns:task:' .. task end -- hash
local function events_key(task) return 'ns:task:' .. task .. ':events' end -- stream: the task's history
local function ready_key(task) return 'ns:task:' .. task .. ':ready' end -- list: numbers that may be leased, next first
-- hash: '<number>', or 'task' for the task job -> '<worker> <token> <attempt>', of those that run; ' early_stopped' behind
-- it when the coordinator has given the trial up
local function leased_key(task) return 'ns:task:' .. task .. ':leased' end
local function job_key(job) return 'ns:job:' .. job end -- hash; '<task>' or '<task>/<number>'
local function worker_key(worker) return 'ns:worker:' .. worker end -- hash
local function held_key(worker) return 'ns:worker:' .. worker .. ':jobs' end -- zset: job leased to it -> deadline
-- A class is a kind with what it asks of a worker; see classes.lua.
local classes_key = 'ns:classes' -- zset: class -> open tasks of it; sweep.lua removes those of none
local classes_version_key = 'ns:classes:version' -- counter: another one when a class came or went
-- zset, task -> turn: tasks with ready trials and below their own limit; the smallest turn is next.
local function ring_key(priority, class) return 'ns:ready:' .. priority .. ':' .. class end
-- zset, task -> turn: task jobs that wait for a control slot.
local function control_key(priority, class) return 'ns:control:' .. priority .. ':' .. class end

local work_channel = 'ns:wake:work' -- there may be something to lease
local events_channel = 'ns:wake:events' -- (task type*)*, in words: they have new events, of these types
local stop_channel = 'ns:wake:stop' -- '<worker> <job> <token> <outcome>'
local workers_channel = 'ns:wake:workers' -- '<worker> <session>', its newest; ' drain' behind it when it should go
