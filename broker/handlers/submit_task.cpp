#include <algorithm>

#include "broker/handlers/comma_list.h"
#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"
#include "common/limits.h"

namespace ns::broker {
namespace {

std::string sorted(std::vector<std::string> words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return join_commas(words);
}

// See store/scripts/classes.lua.
std::string class_of(const SubmitTask& submit) {
  std::string text = submit.kind + "@" + submit.pool;
  if (!submit.isa.empty()) text += "|isa=" + sorted(submit.isa);
  if (!submit.tags.empty()) text += "|tags=" + sorted(submit.tags);
  if (submit.memory_bytes > 0) text += "|memory=" + std::to_string(submit.memory_bytes);
  return text;
}

}  // namespace

void handle(Parts& parts, const Request& request, const SubmitTask& submit, std::string) {
  parts.store.call(
      "submit",
      {submit.task.text, submit.kind, submit.spec, submit.name, submit.priority, submit.workers, submit.max_attempts,
       submit.timeout_ms, class_of(submit), submit.delay_ms, submit.deadline_ms, parts.options.max_open_tasks},
      request.answer([task = submit.task](const store::Reply& reply) {
        return TaskAccepted{task, reply.number() == 1};
      }));
  parts.workers.work_came(JobKind::task, 1);
}

}  // namespace ns::broker
