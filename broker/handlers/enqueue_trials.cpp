#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const EnqueueTrials& enqueue, std::string) {
  store::Arguments arguments{enqueue.task.text, std::to_string(enqueue.token)};
  for (const NewTrial& trial : enqueue.trials) {
    arguments.insert(arguments.end(), {std::to_string(trial.number), trial.parameters,
                                       std::to_string(trial.time_limit_ms), std::to_string(trial.memory_limit_bytes)});
  }
  parts.store.call("enqueue", arguments, request.answer([](const store::Reply& reply) {
    return TrialsEnqueued{static_cast<std::uint32_t>(reply.number())};
  }));
}

}  // namespace ns::broker
