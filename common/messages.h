// Every message of the protocol on one page. PROTOCOL.md says what each means; wire.h turns them into bytes.
//
// A message is a MessagePack map of the fields named here. Unknown keys are ignored, missing ones keep the value
// written here, so fields may be added; numbers and names are never reused or renamed.
// Plain values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/id.h"
#include "common/job.h"

// Names the fields that travel, in their order: declares kFieldNames, the names as written, and fields(visit), which
// calls visit with all of them. A codec sees to the rest (wire.cpp); nothing else pays for it.
#define NS_FIELDS(...)                                     \
  static constexpr const char* kFieldNames = #__VA_ARGS__; \
  template <typename Visit>                                \
  decltype(auto) fields(Visit&& visit) {                   \
    return visit(__VA_ARGS__);                             \
  }                                                        \
  template <typename Visit>                                \
  decltype(auto) fields(Visit&& visit) const {             \
    return visit(__VA_ARGS__);                             \
  }

namespace ns {

inline constexpr std::uint8_t kProtocolMajor = 1;  // another major number is refused
inline constexpr std::uint8_t kProtocolMinor = 1;  // another minor number is fine

enum class MessageType : std::uint16_t {
  // replies that many requests share
  error = 1,
  ok = 2,
  // clients and coordinators
  submit_task = 10,
  task_accepted = 11,
  get_task = 12,
  task_info = 13,
  list_tasks = 14,
  task_list = 15,
  cancel_task = 16,
  read_events = 17,
  events = 18,
  get_trials = 19,
  trial_list = 20,
  list_workers = 21,
  worker_list = 22,
  get_queue = 23,
  queue_info = 24,
  ping = 25,
  pong = 26,
  // artifacts
  stat_artifact = 30,
  artifact_info = 31,
  put_artifact = 32,
  get_artifact = 33,
  artifact_chunk = 34,
  // workers
  hello = 40,
  welcome = 41,
  pull = 42,
  jobs = 43,
  heartbeat = 44,
  heartbeat_reply = 45,
  report_results = 46,
  results_acknowledged = 47,
  report_metrics = 48,
  stop_job = 49,
  goodbye = 50,
  drain = 51,
  // coordinators, under the token of their task job
  enqueue_trials = 60,
  trials_enqueued = 61,
  stop_trial = 62,
  append_event = 63,
  // operators
  list_dead = 70,
  dead_list = 71,
  requeue_dead = 72,
  purge_dead = 73,
  dead_changed = 74,
  drain_worker = 75,
};

// ---- shared replies

struct ErrorReply {  // number 1
  std::string code;  // a name of kErrorTable
  std::string message;
  std::string field;
  std::uint32_t retry_after_ms = 0;
  NS_FIELDS(code, message, field, retry_after_ms)
};

struct Ok {  // number 2
  NS_FIELDS()
};

// ---- clients

struct SubmitTask {  // -> task_accepted
  TaskId task;       // made by the client; the same id again is the same submission
  std::string kind;
  std::string spec;  // the task file as JSON text, paths already replaced by artifact ids; opaque to the broker
  std::string name;
  std::uint32_t priority = 1;  // 1 highest … 3
  std::uint32_t workers = 1;   // trials of this task that may run at once
  std::uint32_t max_attempts = 3;
  std::uint64_t timeout_ms = 0;  // of the search, kept for the coordinator; 0: none
  // What its workers must offer.
  std::string pool = "default";
  std::vector<std::string> isa;    // every one of these instruction sets
  std::vector<std::string> tags;   // every one of these tags
  std::uint64_t memory_bytes = 0;  // at least so much
  // By Redis time, from the submission on; 0: none.
  std::uint64_t delay_ms = 0;     // before its coordinator may start
  std::uint64_t deadline_ms = 0;  // until it must have ended, or fail
  NS_FIELDS(task, kind, spec, name, priority, workers, max_attempts, timeout_ms, pool, isa, tags, memory_bytes,
            delay_ms, deadline_ms)
};

struct TaskAccepted {
  TaskId task;
  bool duplicate = false;  // it was there already, with the same content
  NS_FIELDS(task, duplicate)
};

struct GetTask {  // -> task_info
  TaskId task;
  NS_FIELDS(task)
};

struct TaskInfo {
  TaskId task;
  std::string kind;
  std::string name;
  std::string spec;  // empty in a task_list
  TaskState state = TaskState::pending;
  std::uint32_t priority = 1;
  std::uint32_t workers = 1;
  std::uint64_t submitted_ms = 0;  // Redis time since 1970; 0: not yet
  std::uint64_t started_ms = 0;
  std::uint64_t finished_ms = 0;
  std::uint32_t trials_waiting = 0;
  std::uint32_t trials_running = 0;
  std::uint32_t trials_succeeded = 0;
  std::uint32_t trials_failed = 0;
  std::uint32_t trials_early_stopped = 0;
  std::uint32_t trials_cancelled = 0;
  std::uint32_t attempt = 0;  // of the task job
  bool cancel_requested = false;
  std::string result;             // JSON text, written by the task kind; empty until final
  std::string error;              // a sentence; empty unless failed or cancelled
  std::string coordinator;        // the worker that runs the coordinator now
  std::string demands;            // kind, pool and what else it asks of workers, as one text
  bool unserved = false;          // no connected worker can do what waits
  std::uint64_t begins_ms = 0;    // its coordinator waits for this time; 0: it does not
  std::uint64_t deadline_ms = 0;  // when it fails unless it has ended; 0: never
  NS_FIELDS(task, kind, name, spec, state, priority, workers, submitted_ms, started_ms, finished_ms, trials_waiting,
            trials_running, trials_succeeded, trials_failed, trials_early_stopped, trials_cancelled, attempt,
            cancel_requested, result, error, coordinator, demands, unserved, begins_ms, deadline_ms)
};

struct ListTasks {    // -> task_list, newest first
  std::string state;  // a TaskState, or empty for all
  std::uint32_t offset = 0;
  std::uint32_t limit = 50;
  NS_FIELDS(state, offset, limit)
};

struct TaskList {
  std::vector<TaskInfo> tasks;
  std::uint64_t total = 0;
  NS_FIELDS(tasks, total)
};

struct CancelTask {  // -> ok; of a task that has ended: ok, nothing happens
  TaskId task;
  NS_FIELDS(task)
};

struct ReadEvents {  // -> events, at once or as soon as there is one or the wait ends
  TaskId task;
  std::string after = "0";  // the id of the last event already seen
  std::uint32_t limit = 256;
  std::uint32_t wait_ms = 0;
  std::vector<std::string> types;  // only events of these types; empty: all
  NS_FIELDS(task, after, limit, wait_ms, types)
};

struct Event {
  std::string id;    // grows within a task
  std::string type;  // "task.submitted", "trial.succeeded", … (see PROTOCOL.md)
  std::uint64_t time_ms = 0;
  std::uint32_t trial = 0;  // meaningful for trial.* only
  std::uint32_t attempt = 0;
  std::string worker;
  std::string body;  // JSON text: parameters, metrics, result, reason; by type
  NS_FIELDS(id, type, time_ms, trial, attempt, worker, body)
};

struct Events {
  std::vector<Event> events;
  bool ended = false;  // the task is final and no event follows these
  std::string next;    // what to give as `after` to read on; past events of other types too
  NS_FIELDS(events, ended, next)
};

struct GetTrials {  // -> trial_list, by number
  TaskId task;
  std::uint32_t first = 0;
  std::uint32_t limit = 256;
  NS_FIELDS(task, first, limit)
};

struct TrialInfo {
  std::uint32_t number = 0;
  TrialState state = TrialState::waiting;
  std::string parameters;  // JSON text
  std::string result;      // JSON text; empty until final
  std::string error;
  std::uint32_t attempt = 0;
  std::string worker;
  std::uint64_t started_ms = 0;
  std::uint64_t finished_ms = 0;
  std::uint64_t finish_order = 0;  // 1 for the first trial of the task that ended, 2 …; 0: not ended
  NS_FIELDS(number, state, parameters, result, error, attempt, worker, started_ms, finished_ms, finish_order)
};

struct TrialList {
  std::vector<TrialInfo> trials;
  std::uint32_t total = 0;
  NS_FIELDS(trials, total)
};

struct ListWorkers {  // -> worker_list
  NS_FIELDS()
};

struct WorkerInfo {
  WorkerId worker;
  std::string host;
  std::uint32_t pid = 0;
  std::string cpus;  // as in --cpus
  std::vector<std::string> isa;
  std::vector<std::string> kinds;
  std::uint32_t compute_slots = 0;
  std::uint32_t control_slots = 0;
  std::uint32_t compute_busy = 0;
  std::uint32_t control_busy = 0;
  std::uint64_t started_ms = 0;
  std::uint64_t seen_ms = 0;
  std::string version;
  std::string pool = "default";
  std::vector<std::string> tags;
  std::uint64_t memory_bytes = 0;
  std::uint32_t jobs_held = 0;  // by its leases; what it has been sent and has not begun included
  bool draining = false;        // it was asked to go
  NS_FIELDS(worker, host, pid, cpus, isa, kinds, compute_slots, control_slots, compute_busy, control_busy, started_ms,
            seen_ms, version, pool, tags, memory_bytes, jobs_held, draining)
};

struct WorkerList {
  std::vector<WorkerInfo> workers;
  std::uint64_t now_ms = 0;
  NS_FIELDS(workers, now_ms)
};

struct GetQueue {  // -> queue_info
  NS_FIELDS()
};

struct QueueDepth {
  JobKind kind = JobKind::trial;
  std::uint32_t priority = 1;
  std::uint64_t ready = 0;
  NS_FIELDS(kind, priority, ready)
};

struct ClassDepth {
  std::string demands;  // kind, pool and what else its tasks ask of workers, as one text
  std::uint32_t priority = 1;
  std::uint64_t tasks = 0;         // that have a trial to lease and room for it
  std::uint64_t coordinators = 0;  // task jobs that wait for a control slot
  NS_FIELDS(demands, priority, tasks, coordinators)
};

struct QueueCounter {        // of jobs' attempts
  std::string name;          // leased, ended (whatever their outcome), crashed, dead
  std::uint64_t total = 0;   // since Redis was empty
  std::uint64_t recent = 0;  // in the last recent_ms of queue_info
  NS_FIELDS(name, total, recent)
};

struct LeaseInfo {
  JobId job;
  WorkerId worker;
  std::uint64_t token = 0;
  std::uint32_t attempt = 0;
  std::int64_t expires_in_ms = 0;
  std::uint64_t age_ms = 0;  // since it was handed out
  NS_FIELDS(job, worker, token, attempt, expires_in_ms, age_ms)
};

struct DeadLetter {
  JobId job;
  std::uint64_t time_ms = 0;
  std::vector<std::string> reasons;  // one an attempt
  NS_FIELDS(job, time_ms, reasons)
};

struct QueueInfo {
  std::vector<QueueDepth> depths;
  std::uint64_t delayed = 0;
  std::uint64_t leased = 0;
  std::vector<LeaseInfo> leases;  // the first kMaxBatch
  std::uint64_t dead = 0;
  std::vector<DeadLetter> dead_letters;  // the newest kMaxBatch
  std::vector<ClassDepth> classes;       // those where something waits, at most kMaxBatch
  std::vector<QueueCounter> counters;
  std::uint64_t recent_ms = 0;  // 10 to 20 seconds
  NS_FIELDS(depths, delayed, leased, leases, dead, dead_letters, classes, counters, recent_ms)
};

struct Ping {  // -> pong
  NS_FIELDS()
};

struct Pong {
  std::string broker;
  std::string version;
  std::uint64_t now_ms = 0;  // Redis time: a pong proves that broker and Redis are there
  NS_FIELDS(broker, version, now_ms)
};

// ---- artifacts; chunks travel as the attachment frame

// `here` is how a broker asks another: of what is in that broker's own folder.
struct StatArtifact {  // -> artifact_info
  ArtifactId artifact;
  bool here = false;
  NS_FIELDS(artifact, here)
};

struct ArtifactInfo {
  ArtifactId artifact;
  bool exists = false;
  std::uint64_t size = 0;
  bool kept = true;  // if it exists: on as many brokers as this service keeps copies; else it should be uploaded again
  NS_FIELDS(artifact, exists, size, kept)
};

struct PutArtifact {  // + attachment -> artifact_info; exists is true once the whole is there and its hash is right
  ArtifactId artifact;
  std::uint64_t size = 0;  // of the whole
  std::uint64_t offset = 0;
  std::string upload;  // the same random text for all chunks of one upload
  bool here = false;
  NS_FIELDS(artifact, size, offset, upload, here)
};

struct GetArtifact {  // -> artifact_chunk
  ArtifactId artifact;
  std::uint64_t offset = 0;
  std::uint32_t length = 0;
  bool here = false;
  NS_FIELDS(artifact, offset, length, here)
};

struct ArtifactChunk {  // + attachment
  ArtifactId artifact;
  std::uint64_t size = 0;
  std::uint64_t offset = 0;
  NS_FIELDS(artifact, size, offset)
};

// ---- workers

struct Hello {  // -> welcome; starts a session: credits are counted from zero again
  WorkerId worker;
  std::string host;
  std::uint32_t pid = 0;
  std::string cpus;
  std::vector<std::string> isa;
  std::vector<std::string> kinds;
  std::uint32_t compute_slots = 0;
  std::uint32_t control_slots = 0;
  std::string version;
  std::string pool = "default";      // which tasks it is for
  std::vector<std::string> tags;     // what its operator says of it; a task may ask for some
  std::uint64_t memory_bytes = 0;    // that a job of its may use; 0: not known
  std::uint32_t protocol_minor = 0;  // 1.0 did not say
  NS_FIELDS(worker, host, pid, cpus, isa, kinds, compute_slots, control_slots, version, pool, tags, memory_bytes,
            protocol_minor)
};

struct Welcome {
  std::string broker;
  std::string version;
  std::uint64_t session = 0;
  std::uint32_t lease_ms = 0;
  std::uint32_t heartbeat_ms = 0;
  std::uint32_t protocol_minor = 0;
  NS_FIELDS(broker, version, session, lease_ms, heartbeat_ms, protocol_minor)
};

// No reply of its own; jobs follow as they are there. Credits are cumulative over the session, so that a repeated or
// reordered pull cannot grant twice: the broker has sent `s` jobs of a kind and may send `credits - s` more.
struct Pull {
  WorkerId worker;
  std::uint64_t session = 0;
  std::uint64_t compute_credits = 0;
  std::uint64_t control_credits = 0;
  NS_FIELDS(worker, session, compute_credits, control_credits)
};

struct Job {
  JobId job;
  JobKind kind = JobKind::trial;
  TaskId task;
  std::string task_kind;
  std::uint32_t number = 0;  // the trial's number
  std::uint32_t attempt = 1;
  std::uint64_t token = 0;
  std::string parameters;                // a trial's parameters as JSON text; of a task job: empty
  std::string spec;                      // the task's spec; empty: it is in the message's specs
  std::uint64_t time_limit_ms = 0;       // of this attempt; 0: none
  std::uint64_t memory_limit_bytes = 0;  // 0: the worker's own limit
  NS_FIELDS(job, kind, task, task_kind, number, attempt, token, parameters, spec, time_limit_ms, memory_limit_bytes)
};

struct TaskSpecText {
  TaskId task;
  std::string spec;  // JSON text
  NS_FIELDS(task, spec)
};

struct Jobs {  // pushed by the broker
  std::uint64_t session = 0;
  std::vector<Job> jobs;
  std::vector<TaskSpecText> specs;  // of the jobs' tasks, each once, so that a worker needs no further question
  NS_FIELDS(session, jobs, specs)
};

struct HeldJob {
  JobId job;
  std::uint64_t token = 0;
  NS_FIELDS(job, token)
};

struct Heartbeat {  // -> heartbeat_reply; renews every lease listed
  WorkerId worker;
  std::uint64_t session = 0;
  std::uint32_t compute_busy = 0;
  std::uint32_t control_busy = 0;
  std::vector<HeldJob> jobs;
  NS_FIELDS(worker, session, compute_busy, control_busy, jobs)
};

struct HeartbeatReply {
  std::vector<JobId> lost;  // no longer this worker's: kill, report nothing
  std::vector<JobId> cancelled;
  std::vector<JobId> early_stopped;
  std::uint32_t next_in_ms = 0;  // when the next heartbeat is expected; 0: as welcome said
  NS_FIELDS(lost, cancelled, early_stopped, next_in_ms)
};

struct JobResult {
  JobId job;
  std::uint64_t token = 0;
  Outcome outcome = Outcome::succeeded;
  std::string result;  // JSON text
  std::string error;   // a sentence; why it failed, with signal and last log lines where there are any
  NS_FIELDS(job, token, outcome, result, error)
};

struct ReportResults {  // -> results_acknowledged; repeated until acknowledged
  WorkerId worker;
  std::vector<JobResult> results;
  NS_FIELDS(worker, results)
};

struct ResultAcknowledgement {
  JobId job;
  std::uint64_t token = 0;
  CommitStatus status = CommitStatus::committed;
  NS_FIELDS(job, token, status)
};

struct ResultsAcknowledged {
  std::vector<ResultAcknowledgement> results;
  NS_FIELDS(results)
};

struct Metric {
  JobId job;
  std::uint64_t token = 0;
  std::uint32_t sequence = 0;  // 0, 1, 2 … within the attempt
  std::string body;            // JSON text
  NS_FIELDS(job, token, sequence, body)
};

struct ReportMetrics {  // no reply; intermediate metrics are best effort
  WorkerId worker;
  std::vector<Metric> metrics;
  NS_FIELDS(worker, metrics)
};

struct StopJob {  // pushed by the broker
  JobId job;
  std::uint64_t token = 0;
  Outcome outcome = Outcome::cancelled;  // cancelled or early_stopped
  NS_FIELDS(job, token, outcome)
};

struct Goodbye {  // -> ok; after a drain, leases are gone already
  WorkerId worker;
  std::uint64_t session = 0;
  NS_FIELDS(worker, session)
};

struct Drain {  // pushed by the broker: take nothing new, let trials end, go; as SIGTERM does
  std::uint64_t session = 0;
  NS_FIELDS(session)
};

// ---- coordinators

struct NewTrial {
  std::uint32_t number = 0;
  std::string parameters;  // JSON text
  std::uint64_t time_limit_ms = 0;
  std::uint64_t memory_limit_bytes = 0;
  NS_FIELDS(number, parameters, time_limit_ms, memory_limit_bytes)
};

struct EnqueueTrials {  // -> trials_enqueued; a number that is there already is left as it is
  TaskId task;
  std::uint64_t token = 0;
  std::vector<NewTrial> trials;
  NS_FIELDS(task, token, trials)
};

struct TrialsEnqueued {
  std::uint32_t added = 0;
  NS_FIELDS(added)
};

struct StopTrial {  // -> ok
  TaskId task;
  std::uint64_t token = 0;
  std::uint32_t number = 0;
  NS_FIELDS(task, token, number)
};

struct AppendEvent {  // -> ok; the coordinator's own entries in the task's history ("task.checked", "task.best", …)
  TaskId task;
  std::uint64_t token = 0;
  std::string type;
  std::string body;  // JSON text
  NS_FIELDS(task, token, type, body)
};

// ---- operators

struct ListDead {  // -> dead_list, newest first
  std::uint32_t offset = 0;
  std::uint32_t limit = 256;
  NS_FIELDS(offset, limit)
};

struct DeadList {
  std::vector<DeadLetter> letters;
  std::uint64_t total = 0;
  std::uint64_t now_ms = 0;
  NS_FIELDS(letters, total, now_ms)
};

struct RequeueDead {  // -> dead_changed; the jobs are tried again, from their first attempt
  std::vector<JobId> jobs;
  NS_FIELDS(jobs)
};

struct PurgeDead {  // -> dead_changed; the letters are thrown away, and nothing else
  std::vector<JobId> jobs;
  NS_FIELDS(jobs)
};

struct DeadChange {
  JobId job;
  bool done = false;
  std::string reason;  // why not
  NS_FIELDS(job, done, reason)
};

struct DeadChanged {
  std::vector<DeadChange> changes;  // one a job, in the order asked for
  NS_FIELDS(changes)
};

struct DrainWorker {  // -> ok; the worker is pushed `drain` with its next heartbeat
  WorkerId worker;
  NS_FIELDS(worker)
};

}  // namespace ns
