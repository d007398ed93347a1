#include "broker/handlers/comma_list.h"
#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"
#include "common/log.h"

namespace ns::broker {
namespace {

// What decides which work it can do; see store/scripts/classes.lua.
std::string offer_of(const Hello& hello) {
  return join_commas(hello.kinds) + "@" + hello.pool + "|" + join_commas(hello.isa) + "|" + join_commas(hello.tags) +
         "|" + std::to_string(hello.memory_bytes);
}

}  // namespace

void handle(Parts& parts, const Request& request, const Hello& hello, std::string) {
  parts.workers.require_own(hello.worker, request.sender());
  if (hello.protocol_minor != kProtocolMinor) {
    log::info("worker {} speaks protocol {}.{}, this broker {}.{}: what only one of them knows is left out",
              hello.worker.text, kProtocolMajor, hello.protocol_minor, kProtocolMajor, kProtocolMinor);
  }
  parts.store.call(
      "hello",
      {hello.worker.text, hello.host, hello.pid, hello.cpus, join_commas(hello.isa), join_commas(hello.kinds),
       hello.compute_slots, hello.control_slots, hello.version, hello.pool, join_commas(hello.tags),
       hello.memory_bytes},
      request.answer([&parts, worker = hello.worker, sender = request.sender(), offer = offer_of(hello)](
                         const store::Reply& reply) {
        Welcome welcome;
        welcome.broker = parts.name;
        welcome.version = NS_VERSION;
        welcome.session = reply.number();
        welcome.lease_ms = static_cast<std::uint32_t>(parts.options.lease.count());
        welcome.protocol_minor = kProtocolMinor;
        parts.workers.begin(worker, welcome.session, sender, offer);
        welcome.heartbeat_ms = parts.workers.next_heartbeat_ms(worker);
        return welcome;
      }));
}

}  // namespace ns::broker
