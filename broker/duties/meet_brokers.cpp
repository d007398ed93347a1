#include "broker/duties/duties.h"
#include "broker/peers.h"
#include "broker/store/client.h"
#include "common/log.h"

namespace ns::broker {

void meet_brokers(Parts& parts) {
  if (!parts.store.is_ready()) return;
  parts.peers.meet([](const Peers::Known&, const std::optional<Error>& error) {
    if (error) log::warning("meeting the other brokers failed: {}", error->what());
  });
}

}  // namespace ns::broker
