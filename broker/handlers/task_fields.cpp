#include "broker/handlers/task_fields.h"

namespace ns::broker {

TaskInfo task_from(const store::Reply& fields) {
  std::size_t next = 0;
  const auto text = [&] { return std::string(fields.at(next++).text()); };
  const auto count = [&] { return static_cast<std::uint32_t>(fields.at(next++).number()); };
  const auto time = [&] { return fields.at(next++).number(); };
  TaskInfo task;
  task.task = {text()};
  task.kind = text();
  task.name = text();
  from_text(text(), task.state);
  task.priority = count();
  task.workers = count();
  task.submitted_ms = time();
  task.started_ms = time();
  task.finished_ms = time();
  task.trials_running = count();
  task.trials_succeeded = count();
  task.trials_failed = count();
  task.trials_early_stopped = count();
  task.trials_cancelled = count();
  task.cancel_requested = count() == 1;
  task.error = text();
  task.demands = text();
  text();  // trials in all
  task.trials_waiting = count();
  task.attempt = count();
  task.coordinator = text();
  task.begins_ms = time();
  task.deadline_ms = time();
  return task;
}

}  // namespace ns::broker
