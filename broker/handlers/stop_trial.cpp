#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const StopTrial& stop, std::string) {
  parts.store.call("stop_trial", {stop.task.text, stop.token, stop.number},
                   request.answer([](const store::Reply&) { return Ok{}; }));
}

}  // namespace ns::broker
