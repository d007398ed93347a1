#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const Pull& pull, std::string) {
  parts.workers.require(pull.worker, pull.session, request.peer());
  parts.workers.grant(pull);
}

}  // namespace ns::broker
