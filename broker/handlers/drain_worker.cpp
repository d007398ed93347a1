#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const DrainWorker& drain, std::string) {
  parts.store.call("drain", {drain.worker.text}, request.answer([](const store::Reply&) { return Ok{}; }));
}

}  // namespace ns::broker
