#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const SubmitTask& submit, std::string) {
  parts.store.call(
      "submit",
      {submit.task.text, submit.kind, submit.spec, submit.name, std::to_string(submit.priority),
       std::to_string(submit.workers), std::to_string(submit.max_attempts), std::to_string(submit.timeout_ms)},
      request.answer([task = submit.task](const store::Reply& reply) {
        return TaskAccepted{task, reply.number() == 1};
      }));
}

}  // namespace ns::broker
