#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"
#include "common/limits.h"

namespace ns::broker {
namespace {

std::string limits_of(const NewTrial& trial) {
  if (trial.time_limit_ms == 0 && trial.memory_limit_bytes == 0) return {};
  return std::to_string(trial.time_limit_ms) + " " + std::to_string(trial.memory_limit_bytes);
}

}  // namespace

void handle(Parts& parts, const Request& request, const EnqueueTrials& enqueue, std::string) {
  store::Arguments arguments(enqueue.task.text, enqueue.token, parts.options.max_ready);
  for (const NewTrial& trial : enqueue.trials) arguments.add(trial.number, trial.parameters, limits_of(trial));
  parts.store.call("enqueue", arguments, request.answer([](const store::Reply& reply) {
    return TrialsEnqueued{static_cast<std::uint32_t>(reply.number())};
  }));
  // Leased for in the same exchange with Redis; the wake-up would come one later.
  parts.workers.work_came(JobKind::trial, enqueue.trials.size());
}

}  // namespace ns::broker
