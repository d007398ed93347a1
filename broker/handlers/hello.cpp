#include "broker/handlers/comma_list.h"
#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const Hello& hello, std::string) {
  parts.store.call("hello",
                   {hello.worker.text, hello.host, std::to_string(hello.pid), hello.cpus, join_commas(hello.isa),
                    join_commas(hello.kinds), std::to_string(hello.compute_slots), std::to_string(hello.control_slots),
                    hello.version, hello.pool, join_commas(hello.tags), std::to_string(hello.memory_bytes)},
                   request.answer([&parts, worker = hello.worker, peer = request.peer()](const store::Reply& reply) {
                     Welcome welcome;
                     welcome.broker = parts.name;
                     welcome.version = NS_VERSION;
                     welcome.session = reply.number();
                     welcome.lease_ms = static_cast<std::uint32_t>(parts.options.lease.count());
                     welcome.heartbeat_ms = static_cast<std::uint32_t>(parts.options.heartbeat.count());
                     parts.workers.begin(worker, welcome.session, peer);
                     return welcome;
                   }));
}

}  // namespace ns::broker
