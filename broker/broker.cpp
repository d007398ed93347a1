#include "broker/broker.h"

#include <unistd.h>

#include <atomic>
#include <optional>
#include <random>
#include <utility>

#include "broker/artifacts.h"
#include "broker/duties/duties.h"
#include "broker/event_waiters.h"
#include "broker/handlers/handlers.h"
#include "broker/listening.h"
#include "broker/peers.h"
#include "broker/shared_artifacts.h"
#include "broker/store/client.h"
#include "broker/turn_batches.h"
#include "broker/worker_sessions.h"
#include "common/log.h"
#include "common/net/authenticator.h"
#include "common/net/poll_loop.h"
#include "common/net/socket.h"

namespace ns::broker {
namespace {

// Taken in one turn: what it asks of Redis leaves in one write, and timers are never late by more. Connections take
// turns with single messages (ZeroMQ's fair queueing), so that one that floods does not keep the others waiting.
constexpr int kMessagesInTurn = 256;
constexpr std::size_t kBytesInTurn = 8u << 20;

// "<host>-<pid>-<random>": for people; nothing depends on it.
std::string make_name() {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  std::random_device random;
  return std::string(host) + "-" + std::to_string(::getpid()) + "-" + std::to_string(random() % 10'000);
}

std::unique_ptr<net::Authenticator> make_authenticator(net::Context& context, const Options& options) {
  require_safe_listening(options);
  if (options.key.empty()) return nullptr;
  return std::make_unique<net::Authenticator>(context, net::read_key_file(options.key), options.authorized_keys);
}

}  // namespace

struct Broker::State {
  explicit State(Options given)
      : options(std::move(given)),
        authenticator(make_authenticator(context, options)),
        router(context, options.listen, authenticator.get()),
        admission(options.admission, steady_clock()),
        store(loop, options.redis, listener()),
        workers(router, store, {options.lease, options.heartbeat}),
        waiters(store, steady_clock()),
        batches(store, waiters, workers, options.lease),
        peers(loop, context, store, options.advertise, authenticator ? authenticator->own() : net::KeyPair{}),
        artifact_store(loop, options.artifacts),
        artifacts(artifact_store, peers, options.artifact_copies),
        parts{options, name, loop, router, admission, store, workers, waiters, batches, peers, artifacts} {
    loop.watch(router, [this] { receive(); });
    loop.at_turn_end([this] {
      batches.flush();  // before leasing: results make room
      waiters.flush();
      store.flush();  // answers of results do not wait for the lease call behind them
      workers.flush();
      store.flush();
    });
    start_duties(parts);
  }

  store::Client::Listener listener() {
    return {.on_resumed = [this] { resumed(); },
            .on_emptied = [this] { workers.end_all(); },
            // One that has served is not ended by a change in Redis: it waits for that to be put right.
            .on_refused =
                [this](const Error& error) {
                  if (!announced) fatal = error;
                },
            .on_work = [this] { workers.look_for_work(); },
            .on_event = [this](std::string_view tasks) { waiters.wake_listed(std::string(tasks)); },
            .on_stop = [this](std::string_view stop) { workers.push_stop(std::string(stop)); },
            .on_worker = [this](std::string_view worker) { workers.hear(std::string(worker)); }};
  }

  void resumed() {
    workers.doubt_all();
    workers.look_for_work();
    waiters.wake_all();
    // Whoever is told that this broker is ready may count on the others knowing it.
    peers.meet([this](const Peers::Known&, const std::optional<Error>& error) {
      if (announced) return;
      if (error) {
        loop.after(std::chrono::seconds(1), [this] { resumed(); });
        return;
      }
      announced = true;
      if (ready) ready(router.endpoints());
    });
  }

  void receive() {
    std::size_t bytes = 0;
    for (int i = 0; i < kMessagesInTurn && bytes < kBytesInTurn; ++i) {
      auto incoming = router.receive();
      if (!incoming) return;
      bytes += incoming->bytes();
      dispatch(parts, std::move(*incoming));
    }
  }

  void reload_keys() {
    if (authenticator == nullptr) {
      log::info("nothing to read again: this broker has no key");
      return;
    }
    try {
      authenticator->reload();
    } catch (const Error& error) {
      log::error("{}; the keys that were authorized before still are", error.what());
    }
  }

  const Options options;
  const std::string name = make_name();
  net::PollLoop loop;
  net::Context context;
  const std::unique_ptr<net::Authenticator> authenticator;
  net::Router router;
  Admission admission;
  store::Client store;
  WorkerSessions workers;
  EventWaiters waiters;
  TurnBatches batches;
  Peers peers;
  ArtifactStore artifact_store;
  SharedArtifacts artifacts;
  Parts parts;
  Ready ready;
  bool announced = false;
  std::optional<Error> fatal;
  std::atomic<bool> stopping{false};
  std::atomic<bool> reloading{false};
};

Broker::Broker(Options options) : state_(std::make_unique<State>(std::move(options))) {}
Broker::~Broker() = default;

void Broker::run(const Ready& ready) {
  state_->ready = ready;
  while (!state_->stopping) {
    state_->loop.turn(std::chrono::milliseconds(1000));
    if (state_->fatal) throw Error(*state_->fatal);
    if (state_->reloading.exchange(false)) state_->reload_keys();
  }
  log::info("ending");
}

void Broker::stop() { state_->stopping = true; }
void Broker::reload() { state_->reloading = true; }

}  // namespace ns::broker
