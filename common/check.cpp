// The limits of each message's fields. Lists are bounded by the decoder already (kMaxBatch entries).
#include <algorithm>
#include <string>

#include "common/error.h"
#include "common/limits.h"
#include "common/wire.h"

namespace ns::wire {
namespace {

constexpr std::size_t kMaxWords = 64;  // of a list of isa, tags, kinds, event types
constexpr std::size_t kMaxNameBytes =
    256;                              // ids, kinds, versions, hosts, event types: what stands in a key or a column
constexpr std::size_t kMaxTags = 64;  // of one worker

std::string path_of(std::string_view message, std::string_view field) {
  return std::string(message) + "." + std::string(field);
}

void limit(std::string_view message, std::string_view field, const std::string& text, std::size_t most) {
  if (text.size() <= most) return;
  throw Error(ErrorCode::too_large,
              path_of(message, field) + " has " + std::to_string(text.size()) + " bytes: at most " +
                  std::to_string(most) + " are accepted",
              std::string(field));
}

template <typename Number>
void between(std::string_view message, std::string_view field, Number value, Number least, Number most) {
  if (value >= least && value <= most) return;
  throw Error(ErrorCode::invalid,
              path_of(message, field) + " is " + std::to_string(value) + ": it must be between " +
                  std::to_string(least) + " and " + std::to_string(most),
              std::string(field));
}

[[noreturn]] void refuse(std::string_view message, std::string_view field, const std::string& value,
                         const std::string& right) {
  std::string shown = value.substr(0, 80);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, '?');
  throw Error(ErrorCode::invalid, path_of(message, field) + " is '" + shown + "': it must be " + right,
              std::string(field));
}

void require_task(std::string_view message, const TaskId& task) {
  if (!is_task_id(task.text)) refuse(message, "task", task.text, "26 characters of 0-9 A-Z without I, L, O, U");
}

void require_artifact(std::string_view message, const ArtifactId& artifact) {
  if (!is_artifact_id(artifact.text)) {
    refuse(message, "artifact", artifact.text, "'sha256:' and 64 lower-case hexadecimal digits");
  }
}

// A worker's name becomes part of a Redis key and of events: printable, without spaces.
void require_worker(std::string_view message, const WorkerId& worker) {
  const std::string& text = worker.text;
  const bool good = !text.empty() && text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
  if (!good) refuse(message, "worker", text, "1 to 128 letters, digits, '-', '_' or '.'");
}

void require_job(std::string_view message, const JobId& job) {
  const std::string& text = job.text;
  const std::size_t slash = text.find('/');
  bool good = is_task_id(text.substr(0, slash));
  if (good && slash != std::string::npos) {
    const std::string number = text.substr(slash + 1);
    good = !number.empty() && number.size() <= 9 && number.find_first_not_of("0123456789") == std::string::npos;
  }
  if (!good) refuse(message, "job", text, "a task id, or a task id, '/' and a trial number");
}

bool is_word(const std::string& text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

void require_word(std::string_view message, std::string_view field, const std::string& text) {
  if (!is_word(text)) refuse(message, field, text, "1 to 64 lower-case letters, digits, '_', '-' or '.'");
}

// Short lists of words, each once in its order: equal lists are equal texts.
void require_words(std::string_view message, std::string_view field, const std::vector<std::string>& words) {
  between(message, field, words.size(), std::size_t{0}, kMaxWords);
  for (const std::string& word : words) require_word(message, field, word);
}

// digits ['-' digits ['.' digits]]
bool is_event_id(std::string_view text) {
  const auto digits = [&] {
    const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count >= 1 && count <= 20;
  };
  const auto skip = [&](char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  };
  if (!digits()) return false;
  if (skip('-') && (!digits() || (skip('.') && !digits()))) return false;
  return text.empty();
}

void limit_worker(std::string_view message, const std::string& host, const std::string& cpus,
                  const std::vector<std::string>& isa, const std::vector<std::string>& kinds,
                  const std::string& version) {
  limit(message, "host", host, kMaxNameBytes);
  limit(message, "cpus", cpus, limits::kMaxTextBytes);
  limit(message, "version", version, kMaxNameBytes);
  for (const std::string& feature : isa) limit(message, "isa", feature, kMaxNameBytes);
  for (const std::string& kind : kinds) limit(message, "kinds", kind, kMaxNameBytes);
}

}  // namespace

// ---- shared

void check(const ErrorReply& m) {
  limit("error", "code", m.code, kMaxNameBytes);
  limit("error", "message", m.message, limits::kMaxTextBytes);
  limit("error", "field", m.field, limits::kMaxTextBytes);
}
void check(const Ok&) {}

// ---- clients

void check(const SubmitTask& m) {
  require_task("submit_task", m.task);
  require_word("submit_task", "kind", m.kind);
  if (m.spec.empty()) refuse("submit_task", "spec", m.spec, "the task file as JSON text");
  limit("submit_task", "spec", m.spec, limits::kMaxSpecBytes);
  limit("submit_task", "name", m.name, kMaxNameBytes);
  between("submit_task", "priority", m.priority, 1u, 3u);
  between("submit_task", "workers", m.workers, 1u, limits::kMaxTaskWorkers);
  between("submit_task", "max_attempts", m.max_attempts, 1u, 100u);
  require_word("submit_task", "pool", m.pool);
  require_words("submit_task", "isa", m.isa);
  require_words("submit_task", "tags", m.tags);
  between("submit_task", "delay_ms", m.delay_ms, std::uint64_t{0}, limits::kMaxDelayMs);
  between("submit_task", "deadline_ms", m.deadline_ms, std::uint64_t{0}, limits::kMaxDelayMs);
}
void check(const TaskAccepted& m) { require_task("task_accepted", m.task); }
void check(const GetTask& m) { require_task("get_task", m.task); }
void check(const TaskInfo& m) {
  limit("task_info", "spec", m.spec, limits::kMaxSpecBytes);
  limit("task_info", "result", m.result, limits::kMaxResultBytes);
  limit("task_info", "error", m.error, 2 * limits::kMaxTextBytes);
}
void check(const ListTasks& m) {
  TaskState known{};
  if (!m.state.empty()) from_text(m.state, known);
  between("list_tasks", "limit", m.limit, 1u, static_cast<std::uint32_t>(limits::kMaxBatch));
}
void check(const TaskList& m) {
  for (const TaskInfo& task : m.tasks) check(task);
}
void check(const CancelTask& m) { require_task("cancel_task", m.task); }
void check(const ReadEvents& m) {
  require_task("read_events", m.task);
  if (!is_event_id(m.after)) refuse("read_events", "after", m.after, "'0' or the id of an event");
  require_words("read_events", "types", m.types);
  between("read_events", "limit", m.limit, 1u, static_cast<std::uint32_t>(limits::kMaxBatch));
  between("read_events", "wait_ms", m.wait_ms, 0u, 60'000u);
}
void check(const Events& m) {
  for (const Event& event : m.events) {
    limit("events", "type", event.type, kMaxNameBytes);
    limit("events", "body", event.body, limits::kMaxMessageBytes);
  }
}
void check(const GetTrials& m) {
  require_task("get_trials", m.task);
  between("get_trials", "limit", m.limit, 1u, static_cast<std::uint32_t>(limits::kMaxBatch));
}
void check(const TrialList& m) {
  for (const TrialInfo& trial : m.trials) {
    limit("trial_list", "parameters", trial.parameters, limits::kMaxParametersBytes);
    limit("trial_list", "result", trial.result, limits::kMaxResultBytes);
    limit("trial_list", "error", trial.error, 2 * limits::kMaxTextBytes);
  }
}
void check(const ListWorkers&) {}
void check(const WorkerList& m) {
  for (const WorkerInfo& worker : m.workers) {
    limit_worker("worker_list", worker.host, worker.cpus, worker.isa, worker.kinds, worker.version);
    limit("worker_list", "pool", worker.pool, kMaxNameBytes);
    for (const std::string& tag : worker.tags) limit("worker_list", "tags", tag, kMaxNameBytes);
  }
}
void check(const GetQueue&) {}
void check(const QueueInfo&) {}
void check(const Ping&) {}
void check(const Pong& m) {
  limit("pong", "broker", m.broker, kMaxNameBytes);
  limit("pong", "version", m.version, kMaxNameBytes);
}

// ---- artifacts

void check(const StatArtifact& m) { require_artifact("stat_artifact", m.artifact); }
void check(const ArtifactInfo& m) { require_artifact("artifact_info", m.artifact); }
void check(const PutArtifact& m) {
  require_artifact("put_artifact", m.artifact);
  between("put_artifact", "size", m.size, std::uint64_t{0}, limits::kMaxArtifactBytes);
  between("put_artifact", "offset", m.offset, std::uint64_t{0}, m.size);
  const bool good =
      !m.upload.empty() && m.upload.size() <= 64 && std::all_of(m.upload.begin(), m.upload.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      });
  if (!good) refuse("put_artifact", "upload", m.upload, "1 to 64 letters and digits");
}
void check(const GetArtifact& m) {
  require_artifact("get_artifact", m.artifact);
  between("get_artifact", "length", m.length, 1u, static_cast<std::uint32_t>(limits::kChunkBytes));
  between("get_artifact", "offset", m.offset, std::uint64_t{0}, limits::kMaxArtifactBytes);
}
void check(const ArtifactChunk& m) { require_artifact("artifact_chunk", m.artifact); }

// ---- workers

void check(const Hello& m) {
  require_worker("hello", m.worker);
  limit_worker("hello", m.host, m.cpus, m.isa, m.kinds, m.version);
  if (m.kinds.empty()) refuse("hello", "kinds", "", "the task kinds that this worker can run");
  between("hello", "kinds", m.kinds.size(), std::size_t{1}, std::size_t{64});
  for (const std::string& kind : m.kinds) require_word("hello", "kinds", kind);
  require_word("hello", "pool", m.pool);
  between("hello", "tags", m.tags.size(), std::size_t{0}, kMaxTags);
  for (const std::string& tag : m.tags) require_word("hello", "tags", tag);
}
void check(const Welcome& m) {
  limit("welcome", "broker", m.broker, kMaxNameBytes);
  limit("welcome", "version", m.version, kMaxNameBytes);
}
void check(const Pull& m) { require_worker("pull", m.worker); }
void check(const Jobs& m) {
  for (const Job& job : m.jobs) {
    require_job("jobs", job.job);
    require_task("jobs", job.task);
    limit("jobs", "task_kind", job.task_kind, kMaxNameBytes);
    limit("jobs", "parameters", job.parameters, limits::kMaxParametersBytes);
    limit("jobs", "spec", job.spec, limits::kMaxSpecBytes);
  }
  for (const TaskSpecText& text : m.specs) {
    require_task("jobs", text.task);
    limit("jobs", "specs", text.spec, limits::kMaxSpecBytes);
  }
}
void check(const Heartbeat& m) {
  require_worker("heartbeat", m.worker);
  for (const HeldJob& held : m.jobs) require_job("heartbeat", held.job);
}
void check(const HeartbeatReply& m) {
  for (const auto* jobs : {&m.lost, &m.cancelled, &m.early_stopped}) {
    for (const JobId& job : *jobs) require_job("heartbeat_reply", job);
  }
}
void check(const ReportResults& m) {
  require_worker("report_results", m.worker);
  for (const JobResult& result : m.results) {
    require_job("report_results", result.job);
    limit("report_results", "result", result.result, limits::kMaxResultBytes);
    limit("report_results", "error", result.error, limits::kMaxTextBytes);
  }
}
void check(const ResultsAcknowledged& m) {
  for (const ResultAcknowledgement& result : m.results) require_job("results_acknowledged", result.job);
}
void check(const ReportMetrics& m) {
  require_worker("report_metrics", m.worker);
  for (const Metric& metric : m.metrics) {
    require_job("report_metrics", metric.job);
    limit("report_metrics", "body", metric.body, limits::kMaxTextBytes);
  }
}
void check(const StopJob& m) { require_job("stop_job", m.job); }
void check(const Goodbye& m) { require_worker("goodbye", m.worker); }
void check(const Drain&) {}

// ---- coordinators

void check(const EnqueueTrials& m) {
  require_task("enqueue_trials", m.task);
  for (const NewTrial& trial : m.trials) {
    between("enqueue_trials", "number", trial.number, 0u, limits::kMaxTrials - 1);
    limit("enqueue_trials", "parameters", trial.parameters, limits::kMaxParametersBytes);
  }
}
void check(const TrialsEnqueued&) {}
void check(const StopTrial& m) {
  require_task("stop_trial", m.task);
  between("stop_trial", "number", m.number, 0u, limits::kMaxTrials - 1);
}
void check(const AppendEvent& m) {
  require_task("append_event", m.task);
  // The queue writes its own history; a coordinator adds only what it alone knows.
  const bool known = m.type == "task.checked" || m.type == "task.progress" || m.type == "task.best" ||
                     m.type.compare(0, 5, "note.") == 0;
  if (!known || !is_word(m.type)) {
    refuse("append_event", "type", m.type, "task.checked, task.progress, task.best or a word that begins with 'note.'");
  }
  limit("append_event", "body", m.body, limits::kMaxParametersBytes);
}

// ---- operators

void check(const ListDead& m) {
  between("list_dead", "limit", m.limit, 1u, static_cast<std::uint32_t>(limits::kMaxBatch));
}
void check(const DeadList& m) {
  for (const DeadLetter& letter : m.letters) require_job("dead_list", letter.job);
}
void check(const RequeueDead& m) {
  for (const JobId& job : m.jobs) require_job("requeue_dead", job);
}
void check(const PurgeDead& m) {
  for (const JobId& job : m.jobs) require_job("purge_dead", job);
}
void check(const DeadChanged& m) {
  for (const DeadChange& change : m.changes) require_job("dead_changed", change.job);
}
void check(const DrainWorker& m) { require_worker("drain_worker", m.worker); }

}  // namespace ns::wire
