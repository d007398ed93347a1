#include "broker/handlers/handlers.h"
#include "broker/turn_batches.h"
#include "broker/worker_sessions.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const Heartbeat& heartbeat, std::string) {
  parts.workers.require(heartbeat.worker, heartbeat.session, request.peer());
  parts.batches.add(request, heartbeat);
}

}  // namespace ns::broker
