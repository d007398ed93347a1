#include "broker/duties/duties.h"
#include "broker/store/client.h"
#include "common/log.h"

namespace ns::broker {
namespace {

constexpr int kMostJobs = 256;  // of each sort in one call, so that Redis never stops for long

}  // namespace

void sweep_leases(Parts& parts) {
  if (!parts.store.is_ready()) return;
  parts.store.call("sweep", {parts.options.lease.count(), kMostJobs}, [](const store::Reply& reply) {
    if (reply.is_error()) {
      log::warning("the sweep failed: {}", reply.error().what());
    } else if (reply.at(0).number() > 0) {
      log::info("{} leases ran out", reply.at(0).number());
    }
  });
}

}  // namespace ns::broker
