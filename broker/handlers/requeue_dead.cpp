#include "broker/handlers/dead_letters.h"
#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const RequeueDead& requeue, std::string) {
  store::Arguments arguments;
  for (const JobId& job : requeue.jobs) arguments.add(job.text);
  parts.store.call("requeue_dead", arguments, request.answer([jobs = requeue.jobs](const store::Reply& reply) {
    return dead_changed_from(jobs, reply);
  }));
}

}  // namespace ns::broker
