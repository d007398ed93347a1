#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const CancelTask& cancel, std::string) {
  parts.store.call("cancel", {cancel.task.text}, request.answer([](const store::Reply&) { return Ok{}; }));
}

}  // namespace ns::broker
