-- Every Redis key and channel, made here and nowhere else. broker/README.md shows them with redis-cli.

local SCHEMA = '1' -- of what is stored; another number in ns:schema is refused at start

local schema_key = 'ns:schema' -- string
local turn_key = 'ns:turn' -- counter: places in the ready rings
local sessions_key = 'ns:sessions' -- counter: sessions of workers
local swept_key = 'ns:swept' -- string: when a broker last swept, ms

local tasks_key = 'ns:tasks' -- zset: task -> time of submission; with ':<state>' those in that state
local closing_key = 'ns:closing' -- zset: task whose trials are being cancelled before it ends -> since
local leases_key = 'ns:leases' -- zset: job -> deadline
local delayed_key = 'ns:delayed' -- zset: job -> when it becomes ready again
local dead_key = 'ns:dead' -- zset: job given up after its last attempt -> since
local depth_key = 'ns:depth' -- hash: '<priority>' -> trials ready
local workers_key = 'ns:workers' -- zset: worker -> last heard of

local function task_key(task) return 'ns:task:' .. task end -- hash
local function events_key(task) return 'ns:task:' .. task .. ':events' end -- stream: the task's history
local function trials_key(task) return 'ns:task:' .. task .. ':trials' end -- zset: number -> number, all
local function open_key(task) return 'ns:task:' .. task .. ':open' end -- zset: number -> number, not ended
local function ready_key(task) return 'ns:task:' .. task .. ':ready' end -- zset: number -> number, may be leased
local function job_key(job) return 'ns:job:' .. job end -- hash; '<task>' or '<task>/<number>'
local function worker_key(worker) return 'ns:worker:' .. worker end -- hash
local function held_key(worker) return 'ns:worker:' .. worker .. ':jobs' end -- set: jobs leased to it
-- zset, task -> turn: tasks with ready trials and below their own limit; the smallest turn is next.
local function ring_key(priority, kind) return 'ns:ready:' .. priority .. ':' .. kind end
-- zset, task -> turn: task jobs that wait for a control slot.
local function control_key(priority, kind) return 'ns:control:' .. priority .. ':' .. kind end
local kinds_key = 'ns:kinds' -- set: the task kinds ever submitted

local work_channel = 'ns:wake:work' -- there may be something to lease
local events_channel = 'ns:wake:events' -- '<task>': it has a new event
local stop_channel = 'ns:wake:stop' -- '<worker> <job> <token> <outcome>'
