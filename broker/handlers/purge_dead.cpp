#include "broker/handlers/dead_letters.h"
#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const PurgeDead& purge, std::string) {
  store::Arguments arguments;
  for (const JobId& job : purge.jobs) arguments.add(job.text);
  parts.store.call("purge_dead", arguments, request.answer([jobs = purge.jobs](const store::Reply& reply) {
    return dead_changed_from(jobs, reply);
  }));
}

}  // namespace ns::broker
