#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const Ping&, std::string) {
  parts.store.call("ping", {}, request.answer([name = parts.name](const store::Reply& reply) {
    return Pong{name, NS_VERSION, reply.number()};
  }));
}

}  // namespace ns::broker
