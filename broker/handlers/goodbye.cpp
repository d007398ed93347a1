#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const Goodbye& goodbye, std::string) {
  parts.workers.require_own(goodbye.worker, request.sender());
  parts.store.call("goodbye", {goodbye.worker.text, goodbye.session},
                   request.answer([&parts, goodbye](const store::Reply&) {
                     parts.workers.end(goodbye.worker, goodbye.session);
                     return Ok{};
                   }));
}

}  // namespace ns::broker
