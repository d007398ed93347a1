#include "broker/store/client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "broker/store/held_replies.h"
#include "broker/store/sentinels.h"
#include "common/log.h"

namespace ns::broker::store {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFirstBackoff = 20ms;
constexpr std::chrono::milliseconds kLongestBackoff = 1s;
// Calls that wait for Redis: past this it is hopelessly late, and memory must stay bounded.
constexpr std::size_t kMostWaiting = 20'000;
constexpr std::size_t kMostUnwritten = 64 * 1024 * 1024;  // bytes of them

constexpr std::chrono::milliseconds kLook = 1s;
// Looks at which nothing was answered: Redis hangs. Whoever waits should know, and may try another broker.
constexpr int kMostLooksWithoutProgress = 5;

constexpr int kReplicaPatienceMs = 500;

// Functions whose answers promise nothing that a failover may not take back: a lease that is lost is stale, and its job
// is leased again; the rest is said again, or done again.
constexpr std::array<std::string_view, 8> kUnpromising{"hello",   "lease", "lose_worker", "meet",
                                                       "metrics", "reap",  "renew",       "sweep"};

const Error kNotReplicated(ErrorCode::unavailable, "not known to be replicated: the request may be repeated");

bool promises(std::string_view function) {
  return std::find(kUnpromising.begin(), kUnpromising.end(), function) == kUnpromising.end();
}

}  // namespace

Client::Client(net::PollLoop& loop, Settings settings, Listener listener)
    : loop_(loop),
      settings_(std::move(settings)),
      location_(parse_location(settings_.address)),
      listener_(std::move(listener)),
      backoff_(kFirstBackoff) {
  if (!location_.sentinels.empty()) {
    sentinels_ = std::make_unique<Sentinels>(loop_, location_.sentinels, location_.primary);
  }
  loop_.every(kLook, [this] { look(); });
  find();
}

Client::~Client() = default;

void Client::call(std::string_view function, const Arguments& arguments, Connection::Callback callback) {
  const auto refuse = [&](ErrorCode code, const std::string& sentence) { callback(Reply(Error(code, sentence))); };
  if (!ready_) {
    return refuse(ErrorCode::unavailable, "the broker cannot reach Redis at " + settings_.address);
  }
  if (commands_->waiting() >= kMostWaiting || commands_->unwritten() >= kMostUnwritten) {
    return refuse(ErrorCode::overloaded, "Redis is late with " + std::to_string(commands_->waiting()) + " answers");
  }
  if (settings_.replicas == 0 || opened_.readers.contains(function)) {
    return commands_->command(call_of(function), arguments, std::move(callback));
  }
  if (!replicated_) {
    return refuse(ErrorCode::unavailable,
                  "Redis has fewer than " + std::to_string(settings_.replicas) + " replicas that keep up");
  }
  if (!promises(function)) return commands_->command(call_of(function), arguments, std::move(callback));
  if (!held_) held_ = std::make_shared<HeldReplies>();
  commands_->command(call_of(function), arguments, [held = held_, callback = std::move(callback)](const Reply& reply) {
    held->hold(reply, callback);
  });
}

void Client::flush() {
  if (!ready_ || awaiting_replicas_) return;
  if (held_) await_replicas();
  commands_->flush();
}

// ---- reaching Redis

void Client::find() {
  reconnecting_ = false;
  if (!sentinels_) return connect(location_.server);
  sentinels_->find_primary([this](const Address& primary) { connect(primary); },
                           [this](const Error& error) { lost(error.what()); });
}

void Client::connect(const Address& server) {
  server_ = server;
  ++connections_;
  try {
    commands_ = std::make_unique<Connection>(loop_, server_, [this](const std::string& why) { lost(why); });
    commands_->on_error([this](const Reply& error) { noticed(error); });
    const auto is_current = [this, number = connections_] { return number == connections_; };
    const auto on_opened = [this, is_current](const Opened& told) {
      if (is_current()) opened(told);
    };
    const auto on_refused = [this, is_current](const Error& error) {
      if (is_current()) refused(error);
    };
    open(*commands_, settings_, on_opened, on_refused);
  } catch (const Error& error) {
    lost(error.what());
  }
}

void Client::opened(const Opened& told) {
  opened_ = told;
  learn_instance(told.instance);
  listen();
}

void Client::learn_instance(const std::string& instance) {
  if (instance == instance_) return;
  const std::string before = std::exchange(instance_, instance);
  if (before.empty()) return;
  log::error("Redis at {} was emptied: the tasks that it held are gone (ns:instance was {}, is {})", text_of(server_),
             before, instance);
  listener_.on_emptied();
}

void Client::listen() {
  try {
    wake_ups_ = std::make_unique<Connection>(loop_, server_, [this](const std::string& why) { lost(why); });
  } catch (const Error& error) {
    return lost(error.what());
  }
  sign_in(*wake_ups_, settings_);
  wake_ups_->subscribe({opened_.work_channel, opened_.events_channel, opened_.stop_channel, opened_.workers_channel},
                       [this](std::string_view channel, std::string_view message) {
                         if (channel.empty()) {
                           resumed();
                         } else if (channel == opened_.work_channel) {
                           listener_.on_work();
                         } else if (channel == opened_.events_channel) {
                           listener_.on_event(message);
                         } else if (channel == opened_.stop_channel) {
                           listener_.on_stop(message);
                         } else {
                           listener_.on_worker(message);
                         }
                       });
}

void Client::resumed() {
  ready_ = true;
  backoff_ = kFirstBackoff;
  log::info("using Redis at {}", text_of(server_));
  if (settings_.replicas == 0) return listener_.on_resumed();
  replicated_ = false;
  probe_replicas();
}

void Client::refused(const Error& error) {
  const bool passing = entry_of(error.code()).retryable;
  if (!passing) listener_.on_refused(error);
  lost(error.what());
}

void Client::lost(const std::string& why) {
  if (std::exchange(reconnecting_, true)) return;
  if (ready_ || backoff_ >= kLongestBackoff) log::warning("no Redis at {}: {}", settings_.address, why);
  ready_ = false;
  awaiting_replicas_ = false;
  looks_without_progress_ = 0;
  ++connections_;
  for (auto* connection : {&commands_, &wake_ups_}) {
    if (*connection) Connection::retire(loop_, std::move(*connection));
  }
  if (held_) std::exchange(held_, nullptr)->refuse(kNotReplicated);
  loop_.after(backoff_, [this] { find(); });
  backoff_ = std::min(backoff_ * 2, kLongestBackoff);
}

void Client::noticed(const Reply& error) {
  if (!ready_) return;
  if (error.is_error_of("READONLY")) return lost("it is a replica now");
  if (error.is_error_of("ERR Function not found")) return lost("its function library is gone");
}

// ---- each second

void Client::look() {
  look_at_progress();
  if (!ready_) return;
  look_at_instance();
  if (sentinels_) look_at_primary();
  if (!replicated_) probe_replicas();
  flush();
}

void Client::look_at_progress() {
  if (!commands_) return;
  const bool hangs = commands_->waiting() > 0 && commands_->answered() == progress_;
  progress_ = commands_->answered();
  looks_without_progress_ = hangs ? looks_without_progress_ + 1 : 0;
  if (looks_without_progress_ >= kMostLooksWithoutProgress) lost("it does not answer");
}

// It may be emptied while everybody stays connected.
void Client::look_at_instance() {
  commands_->command(call_of("open"), {opening_argument()}, [this, number = connections_](const Reply& reply) {
    if (number == connections_ && !reply.is_error()) learn_instance(std::string(reply.at(2).text()));
  });
}

// An old primary may hang, or be cut off, without an end of the connection to it.
void Client::look_at_primary() {
  const auto found = [this, number = connections_](const Address& primary) {
    if (number == connections_ && primary != server_) lost("the primary is now at " + text_of(primary));
  };
  sentinels_->find_primary(found, [](const Error& error) { log::warning("no sentinel answers: {}", error.what()); });
}

// ---- replicas

void Client::await_replicas() {
  awaiting_replicas_ = true;
  commands_->command({"WAIT", settings_.replicas, kReplicaPatienceMs},
                     [this, held = std::exchange(held_, nullptr), number = connections_](const Reply& count) {
                       if (number == connections_) awaiting_replicas_ = false;
                       settle(*held, count);
                     });
}

void Client::settle(HeldReplies& held, const Reply& count) {
  const bool enough = !count.is_error() && count.number() >= settings_.replicas;
  if (!count.is_error()) set_replicated(enough);
  if (enough) {
    held.release();
  } else {
    held.refuse(kNotReplicated);
  }
}

void Client::set_replicated(bool enough) {
  if (std::exchange(replicated_, enough) == enough) return;
  if (enough) {
    log::info("enough replicas keep up");
    listener_.on_resumed();
  } else {
    log::warning("fewer than {} replicas of Redis at {} keep up: nothing is accepted until they do", settings_.replicas,
                 text_of(server_));
  }
}

void Client::probe_replicas() {
  if (awaiting_replicas_) return;
  held_ = std::make_shared<HeldReplies>();
  flush();
}

}  // namespace ns::broker::store
