#include "client/as_json.h"

#include <cstdio>
#include <nlohmann/json.hpp>

namespace ns::client {

using nlohmann::json;

namespace {

json word(auto state) { return std::string(to_text(state)); }

// JSON where it is JSON, the text itself where it is not, null where there is none.
json json_or_text(const std::string& text) {
  if (text.empty()) return nullptr;
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json(text) : value;
}

}  // namespace

// In the namespace of those that the header declares, so that neither hides the other.
static json as_json(const WorkerInfo& worker) {
  return {{"worker", worker.worker.text},
          {"host", worker.host},
          {"pid", worker.pid},
          {"cpus", worker.cpus},
          {"isa", worker.isa},
          {"kinds", worker.kinds},
          {"compute_slots", worker.compute_slots},
          {"control_slots", worker.control_slots},
          {"compute_busy", worker.compute_busy},
          {"control_busy", worker.control_busy},
          {"started_ms", worker.started_ms},
          {"seen_ms", worker.seen_ms},
          {"version", worker.version},
          {"pool", worker.pool},
          {"tags", worker.tags},
          {"memory_bytes", worker.memory_bytes},
          {"jobs_held", worker.jobs_held},
          {"draining", worker.draining}};
}

static json as_json(const ClassDepth& depth) {
  return {{"demands", depth.demands},
          {"priority", depth.priority},
          {"tasks", depth.tasks},
          {"coordinators", depth.coordinators}};
}

static json as_json(const QueueCounter& counter) {
  return {{"name", counter.name}, {"total", counter.total}, {"recent", counter.recent}};
}

static json as_json(const DeadChange& change) {
  return {{"job", change.job.text}, {"done", change.done}, {"reason", change.reason}};
}

static json as_json(const QueueDepth& depth) {
  return {{"kind", word(depth.kind)}, {"priority", depth.priority}, {"ready", depth.ready}};
}

static json as_json(const LeaseInfo& lease) {
  return {{"job", lease.job.text},    {"worker", lease.worker.text},          {"token", lease.token},
          {"attempt", lease.attempt}, {"expires_in_ms", lease.expires_in_ms}, {"age_ms", lease.age_ms}};
}

static json as_json(const DeadLetter& letter) {
  return {{"job", letter.job.text}, {"time_ms", letter.time_ms}, {"reasons", letter.reasons}};
}

template <typename List>
static json all(const List& list) {
  json values = json::array();
  for (const auto& one : list) values.push_back(as_json(one));
  return values;
}

json as_json(const TaskInfo& task) {
  return {{"task", task.task.text},
          {"kind", task.kind},
          {"name", task.name},
          {"spec", json_or_text(task.spec)},
          {"state", word(task.state)},
          {"priority", task.priority},
          {"workers", task.workers},
          {"submitted_ms", task.submitted_ms},
          {"started_ms", task.started_ms},
          {"finished_ms", task.finished_ms},
          {"trials",
           {{"waiting", task.trials_waiting},
            {"running", task.trials_running},
            {"succeeded", task.trials_succeeded},
            {"failed", task.trials_failed},
            {"early_stopped", task.trials_early_stopped},
            {"cancelled", task.trials_cancelled}}},
          {"attempt", task.attempt},
          {"cancel_requested", task.cancel_requested},
          {"result", json_or_text(task.result)},
          {"error", json_or_text(task.error)},
          {"coordinator", task.coordinator},
          {"demands", task.demands},
          {"unserved", task.unserved},
          {"begins_ms", task.begins_ms},
          {"deadline_ms", task.deadline_ms}};
}

json as_json(const TaskList& list) { return {{"tasks", all(list.tasks)}, {"total", list.total}}; }

json as_json(const TrialInfo& trial) {
  return {{"number", trial.number},
          {"state", word(trial.state)},
          {"parameters", json_or_text(trial.parameters)},
          {"result", json_or_text(trial.result)},
          {"error", json_or_text(trial.error)},
          {"attempt", trial.attempt},
          {"worker", trial.worker},
          {"started_ms", trial.started_ms},
          {"finished_ms", trial.finished_ms},
          {"finish_order", trial.finish_order}};
}

json as_json(const Event& event) {
  json value = {{"id", event.id}, {"type", event.type}, {"time_ms", event.time_ms}, {"body", json_or_text(event.body)}};
  if (event.type.compare(0, 6, "trial.") == 0) value["trial"] = event.trial;
  if (event.attempt > 0) value["attempt"] = event.attempt;
  if (!event.worker.empty()) value["worker"] = event.worker;
  return value;
}

json as_json(const WorkerList& list) { return {{"workers", all(list.workers)}, {"now_ms", list.now_ms}}; }

json as_json(const QueueInfo& queue) {
  return {{"depths", all(queue.depths)},   {"delayed", queue.delayed},     {"leased", queue.leased},
          {"leases", all(queue.leases)},   {"dead", queue.dead},           {"dead_letters", all(queue.dead_letters)},
          {"classes", all(queue.classes)}, {"recent_ms", queue.recent_ms}, {"counters", all(queue.counters)}};
}

json as_json(const DeadList& list) {
  return {{"letters", all(list.letters)}, {"total", list.total}, {"now_ms", list.now_ms}};
}

json as_json(const DeadChanged& changed) { return {{"changes", all(changed.changes)}}; }

json as_json(const Error& error) {
  return {{"error",
           {{"code", std::string(entry_of(error.code()).name)}, {"message", error.what()}, {"field", error.field()}}}};
}

json parsed(std::string_view text) {
  json value = json::parse(text, nullptr, false);
  return value.is_discarded() ? json() : value;
}

void print_json(const json& value) {
  std::puts(value.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

}  // namespace ns::client
