#include "broker/duties/duties.h"

#include "broker/event_waiters.h"
#include "broker/shared_artifacts.h"
#include "broker/turn_batches.h"
#include "broker/worker_sessions.h"
#include "common/log.h"
#include "common/net/poll_loop.h"

namespace ns::broker {
namespace {

using namespace std::chrono_literals;
using Duty = void (*)(Parts&);

// The one catch around a duty: it will be done again.
void every(Parts& parts, std::chrono::milliseconds period, Duty duty) {
  parts.loop.every(period, [&parts, duty] {
    try {
      duty(parts);
    } catch (const Error& error) {
      log::error("a duty failed: {}", error.what());
    }
  });
}

}  // namespace

void start_duties(Parts& parts) {
  every(parts, limits::kSweep, sweep_leases);
  every(parts, 5s, reap_workers);
  every(parts, 50ms, expire_waiters);
  every(parts, 1s, look_for_work);
  every(parts, parts.options.heartbeat / 2, probe_workers);
  every(parts, parts.options.heartbeat / 2, tell_of_rests);
  every(parts, 1h, remove_old_uploads);
  every(parts, limits::kSweep, forget_tasks);
  every(parts, 1s, meet_brokers);
}

void expire_waiters(Parts& parts) { parts.waiters.expire(); }
void look_for_work(Parts& parts) { parts.workers.look_for_work(); }
void probe_workers(Parts& parts) { parts.workers.probe_silent(); }
void tell_of_rests(Parts& parts) { parts.batches.flush_rests(); }
void remove_old_uploads(Parts& parts) { parts.artifacts.own().remove_old_uploads(); }

}  // namespace ns::broker
