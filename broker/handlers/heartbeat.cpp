#include "broker/handlers/handlers.h"
#include "broker/store/client.h"
#include "broker/turn_batches.h"
#include "broker/worker_sessions.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const Heartbeat& heartbeat, std::string) {
  parts.workers.require(heartbeat.worker, heartbeat.session, request.peer());
  if (parts.store.is_ready() && parts.workers.knows(heartbeat)) {
    HeartbeatReply nothing_new;
    nothing_new.next_in_ms = parts.workers.next_heartbeat_ms(heartbeat.worker);
    request.reply(nothing_new);
    if (parts.workers.begins_rest_anew(heartbeat.worker)) parts.batches.add_rest(heartbeat.worker, heartbeat.session);
    return;
  }
  parts.batches.add(request, heartbeat);
}

}  // namespace ns::broker
