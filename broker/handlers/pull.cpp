#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"

namespace ns::broker {

void handle(Parts& parts, const Request&, const Pull& pull, std::string) {
  parts.workers.require(pull.worker, pull.session);
  parts.workers.grant(pull);
}

}  // namespace ns::broker
