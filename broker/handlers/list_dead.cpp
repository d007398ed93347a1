#include "broker/handlers/dead_letters.h"
#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const ListDead& list, std::string) {
  parts.store.call("list_dead", {list.offset, list.limit}, request.answer([](const store::Reply& reply) {
    DeadList dead;
    dead.total = reply.at(0).number();
    dead.now_ms = reply.at(1).number();
    for (const store::Reply& fields : reply.at(2).list()) {
      dead.letters.push_back(dead_letter_from(fields));
    }
    return dead;
  }));
}

}  // namespace ns::broker
