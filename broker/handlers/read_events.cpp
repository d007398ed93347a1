#include "broker/event_waiters.h"
#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const ReadEvents& read, std::string) {
  parts.waiters.read(request, read);
}

}  // namespace ns::broker
