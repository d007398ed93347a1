#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const AppendEvent& append, std::string) {
  parts.store.call("append_event", {append.task.text, append.token, append.type, append.body},
                   request.answer([](const store::Reply&) { return Ok{}; }));
}

}  // namespace ns::broker
