#include "broker/duties/duties.h"
#include "broker/store/client.h"
#include "common/log.h"

namespace ns::broker {
namespace {

constexpr int kMostWorkers = 64;
constexpr int kSilentLeases = 2;  // silent for so many lease times: gone

}  // namespace

void reap_workers(Parts& parts) {
  if (!parts.store.is_ready()) return;
  parts.store.call("reap", {kSilentLeases * parts.options.lease.count(), kMostWorkers}, [](const store::Reply& reply) {
    if (reply.is_error()) {
      log::warning("reaping workers failed: {}", reply.error().what());
    } else if (reply.number() > 0) {
      log::info("{} silent workers were forgotten", reply.number());
    }
  });
}

}  // namespace ns::broker
