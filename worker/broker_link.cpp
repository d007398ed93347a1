#include "worker/broker_link.h"

#include <algorithm>
#include <utility>

#include "common/error.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/wire.h"
#include "worker/runner/progress.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kTick = 100ms;
constexpr std::chrono::nanoseconds kPing = 200ms;  // at least, between heartbeats while nothing is heard
// Brokers end the leases of a worker that is silent for 3 s: where another broker is known, that is tried well before.
constexpr std::chrono::nanoseconds kSilence = 1s, kSilenceOfTheOnlyOne = 2s;
constexpr std::chrono::nanoseconds kBetweenTries = 250ms;                       // of a search
constexpr std::chrono::nanoseconds kFirstPatience = 2s, kLongestPatience = 8s;  // with a hello, before a new socket
constexpr int kMarginOfLease = 5;                                               // one part in so many is not trusted
constexpr std::size_t kRememberedBeats = 32;
constexpr std::size_t kMostReceived = 256;                          // messages in one turn
constexpr std::size_t kMostMetrics = limits::kMaxBatch;             // waiting to be sent; the oldest go first
constexpr std::size_t kMetricBytes = limits::kMaxMessageBytes / 2;  // of one message
constexpr std::chrono::nanoseconds kPullAgain = 5s;  // a broker that had too much to do may have refused the last one
constexpr auto kLinger = 500ms;

}  // namespace

BrokerLink::BrokerLink(net::PollLoop& loop, std::vector<std::string> endpoints, net::PeerKeys keys, Hello hello,
                       Callbacks callbacks)
    : loop_(loop),
      endpoints_(std::move(endpoints)),
      keys_(std::move(keys)),
      hello_(std::move(hello)),
      callbacks_(std::move(callbacks)),
      heartbeat_period_(limits::kHeartbeat),
      lease_(limits::kLease) {
  ticker_ = loop_.every(kTick, [this] { tick(); });
  connect(0, kFirstPatience);
}

BrokerLink::~BrokerLink() {
  loop_.cancel(ticker_);
  while (!connections_.empty()) disconnect(0);
}

// ---- finding a broker

void BrokerLink::connect(std::size_t endpoint, Time patience) {
  Connection connection;
  connection.endpoint = endpoint;
  connection.dealer = std::make_unique<net::Dealer>(context_, endpoints_[endpoint], keys_, net::Explain::yes);
  connection.patience = patience;
  loop_.watch(*connection.dealer, [this, endpoint] { receive(endpoint); });
  say_hello(connections_.emplace_back(std::move(connection)));
  last_try_ = connections_.back().hello_at;
}

void BrokerLink::give_up(std::size_t index) {
  const auto refusal = connections_[index].dealer->refusal();
  log::warning("{} does not answer{}", endpoints_[connections_[index].endpoint],
               refusal ? ": " + refusal->why : std::string());
  disconnect(index);
}

void BrokerLink::disconnect(std::size_t index) {
  loop_.unwatch(*connections_[index].dealer);
  connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(index));
}

void BrokerLink::say_hello(Connection& connection) {
  connection.hello = ++last_request_;
  connection.hello_at = boot_time();
  connection.dealer->send(wire::encode(connection.hello, hello_));
}

void BrokerLink::end_session() {
  session_ = 0;
  beats_.clear();
  silent_since_ = 0ns;
}

// Another endpoint is tried after a short while; those tried stay open, so that the first broker that answers is it.
void BrokerLink::search() {
  const Time now = boot_time();
  for (std::size_t index = 0; index < connections_.size(); ++index) {
    const Connection& waiting = connections_[index];
    if (now - waiting.hello_at < waiting.patience) continue;
    const std::size_t endpoint = waiting.endpoint;
    const Time patience = std::min(2 * waiting.patience, kLongestPatience);
    give_up(index);
    connect(endpoint, patience);
    return;
  }
  if (connections_.size() == endpoints_.size() || now - last_try_ < kBetweenTries) return;
  std::size_t next = connections_.empty() ? 0 : connections_.back().endpoint;
  const auto is_tried = [&] {
    return std::any_of(connections_.begin(), connections_.end(),
                       [&](const Connection& connection) { return connection.endpoint == next; });
  };
  do {
    next = (next + 1) % endpoints_.size();
  } while (is_tried());
  connect(next, kFirstPatience);
}

void BrokerLink::handle_welcome(Connection& connection, const Welcome& welcome) {
  if (session_ != 0) return;
  const std::size_t endpoint = connection.endpoint;
  const Time said_at = connection.hello_at;
  for (std::size_t index = connections_.size(); index-- > 0;) {
    if (connections_[index].endpoint != endpoint) disconnect(index);
  }
  session_ = welcome.session;
  taken_ = granted_ = {};
  last_pull_ = 0ns;
  silent_since_ = 0ns;
  if (welcome.heartbeat_ms > 0) heartbeat_period_ = std::chrono::milliseconds(welcome.heartbeat_ms);
  if (welcome.lease_ms > 0) lease_ = std::chrono::milliseconds(welcome.lease_ms);
  log::info("welcomed by {} at {} (protocol {}.{}, here {}.{})", welcome.broker, endpoints_[endpoint], kProtocolMajor,
            welcome.protocol_minor, kProtocolMajor, kProtocolMinor);
  outbox_.send_all_again();
  if (callbacks_.load().jobs.empty()) trust(said_at + lease_ - lease_ / kMarginOfLease);
  callbacks_.welcomed();
  beat();
}

// ---- messages

template <typename Message>
std::uint64_t BrokerLink::send(const Message& message) {
  const std::uint64_t request = ++last_request_;
  return connections_.front().dealer->send(wire::encode(request, message)) ? request : 0;
}

void BrokerLink::receive(std::size_t endpoint) {
  for (std::size_t count = 0; count < kMostReceived; ++count) {
    const auto connection = std::find_if(connections_.begin(), connections_.end(),
                                         [&](const Connection& one) { return one.endpoint == endpoint; });
    if (connection == connections_.end()) return;  // given up meanwhile
    const std::optional<wire::Frames> frames = connection->dealer->receive();
    if (!frames) return;
    try {
      handle(*connection, *frames);
    } catch (const Error& failure) {
      log::warning("a message from {} is not understood: {}", endpoints_[endpoint], failure.what());
    }
  }
}

void BrokerLink::handle(Connection& connection, const wire::Frames& frames) {
  if (frames.size() < 2) throw Error(ErrorCode::invalid, "it has no body");
  const wire::Header header = wire::decode_header(frames[0]);
  const std::string& body = frames[1];
  silent_since_ = 0ns;
  switch (header.type) {
    case MessageType::welcome:
      return handle_welcome(connection, wire::decode<Welcome>(body));
    case MessageType::jobs:
      return handle(wire::decode<Jobs>(body));
    case MessageType::heartbeat_reply:
      return handle(wire::decode<HeartbeatReply>(body), header.request);
    case MessageType::results_acknowledged:
      return outbox_.acknowledged(header.request, wire::decode<ResultsAcknowledged>(body).results.size());
    case MessageType::stop_job: {
      const StopJob stop = wire::decode<StopJob>(body);
      return callbacks_.stop(stop.job, stop.token, stop.outcome);
    }
    case MessageType::drain:
      if (wire::decode<Drain>(body).session == session_) callbacks_.drain();
      return;
    case MessageType::error:
      return handle(connection, wire::decode<ErrorReply>(body), header.request);
    case MessageType::ok:
      return;
    default:
      log::debug("a {} was not expected", wire::name_of(header.type));
  }
}

void BrokerLink::handle(Jobs message) {
  ++arrivals_;
  const bool current = message.session == session_ && session_ != 0;
  for (const Job& job : message.jobs) {
    if (current) ++(job.kind == JobKind::task ? taken_.control : taken_.compute);
  }
  // Those of another session were leased to this worker all the same, some time ago: taking them is better than letting
  // them expire, but a heartbeat must say that they still are ours.
  if (!current) trust(0ns);
  callbacks_.jobs(with_specs(std::move(message)));
}

void BrokerLink::handle(Connection& connection, const ErrorReply& reply, std::uint64_t request) {
  const ErrorCode code = error_code_from(reply.code);
  if (code == ErrorCode::unknown_peer) {
    if (session_ == 0 || request < connection.hello) return;  // said already
    end_session();
    say_hello(connection);
    return;
  }
  log::warning("{} says {}: {}", endpoints_[connection.endpoint], reply.code, reply.message);
  if (entry_of(code).retryable) return;
  for (const JobResult& result : outbox_.refused(request))
    log::error("the result of {} is dropped: the broker does not take it", result.job.text);
}

// ---- heartbeats and trust

void BrokerLink::tick() {
  const Time now = boot_time();
  if (session_ == 0) return search();
  const Time silence = endpoints_.size() > 1 ? kSilence : kSilenceOfTheOnlyOne;
  if (silent_since_ > 0ns && now - silent_since_ >= silence) {
    const std::size_t silent = connections_.front().endpoint;
    end_session();
    give_up(0);
    connect((silent + 1) % endpoints_.size(), kFirstPatience);
    return;
  }
  // While nothing at all is heard, it asks sooner: the last heartbeat may have gone down with a connection.
  const Time sooner = std::max(kPing, (now - silent_since_) / 2);
  if (now - last_beat_ >= (silent_since_ == 0ns ? heartbeat_period_ : std::min(heartbeat_period_, sooner))) beat();
}

void BrokerLink::beat() {
  Heartbeat heartbeat = callbacks_.load();
  heartbeat.worker = hello_.worker;
  heartbeat.session = session_;
  outbox_.list(heartbeat.jobs);
  const std::vector<HeldJob> all = std::exchange(heartbeat.jobs, {});
  Beat beat;
  beat.sent_at = last_beat_ = boot_time();
  beat.arrivals = arrivals_;
  if (silent_since_ == 0ns) silent_since_ = beat.sent_at;
  std::size_t next = 0;
  do {
    const std::size_t end = std::min(all.size(), next + limits::kMaxBatch);
    heartbeat.jobs.assign(all.begin() + static_cast<std::ptrdiff_t>(next),
                          all.begin() + static_cast<std::ptrdiff_t>(end));
    next = end;
    beat.unanswered.emplace_back(send(heartbeat), heartbeat.jobs);
  } while (next < all.size());
  beats_.push_back(std::move(beat));
  if (beats_.size() > kRememberedBeats) beats_.pop_front();
}

void BrokerLink::handle(const HeartbeatReply& reply, std::uint64_t request) {
  const auto is_part = [&](const auto& part) { return part.first == request; };
  const auto beat = std::find_if(beats_.begin(), beats_.end(), [&](const Beat& one) {
    return std::any_of(one.unanswered.begin(), one.unanswered.end(), is_part);
  });
  if (beat == beats_.end()) return;
  // The reply names jobs; which lease of theirs is meant is what that heartbeat listed.
  const auto part = std::find_if(beat->unanswered.begin(), beat->unanswered.end(), is_part);
  const std::vector<HeldJob> held = std::move(part->second);
  beat->unanswered.erase(part);
  const auto each = [&](const std::vector<JobId>& jobs, const auto& act) {
    for (const JobId& job : jobs) {
      for (const HeldJob& lease : held) {
        if (lease.job == job) act(lease);
      }
    }
  };
  if (reply.next_in_ms > 0) heartbeat_period_ = std::min<Time>(std::chrono::milliseconds(reply.next_in_ms), lease_ / 2);
  each(reply.lost, [&](const HeldJob& lease) { callbacks_.lost(lease.job, lease.token); });
  each(reply.cancelled, [&](const HeldJob& lease) { callbacks_.stop(lease.job, lease.token, Outcome::cancelled); });
  each(reply.early_stopped,
       [&](const HeldJob& lease) { callbacks_.stop(lease.job, lease.token, Outcome::early_stopped); });
  if (!beat->unanswered.empty()) return;
  const Beat answered = std::move(*beat);
  beats_.erase(beats_.begin(), beat + 1);
  confirm(answered);
}

bool BrokerLink::trusted() const { return boot_time() < trusted_until_; }

void BrokerLink::trust(Time until) {
  trusted_until_ = until;
  callbacks_.trust_until(until);
}

// Trust that is there is prolonged. Where there is none, jobs may have come (from a buffer, say) whose leases had ended
// long before: a heartbeat that lists them too has to be answered first.
void BrokerLink::confirm(const Beat& answered) {
  if (!trusted() && answered.arrivals != arrivals_) return beat();
  const Time until = answered.sent_at + lease_ - lease_ / kMarginOfLease;
  if (until > trusted_until_) trust(until);
}

// ---- what goes out

void BrokerLink::flush() {
  if (session_ == 0) return;
  outbox_.send(boot_time(), [this](const std::vector<JobResult>& results) {
    return send(ReportResults{hello_.worker, results});
  });
  send_metrics();
  const bool more =
      taken_.compute + vacancies_.compute > granted_.compute || taken_.control + vacancies_.control > granted_.control;
  if (more || boot_time() - last_pull_ >= kPullAgain) pull();
}

void BrokerLink::pull() {
  last_pull_ = boot_time();
  const Pull pull{hello_.worker, session_, taken_.compute + vacancies_.compute, taken_.control + vacancies_.control};
  if (send(pull) == 0) return;
  granted_.compute = std::max(granted_.compute, pull.compute_credits);
  granted_.control = std::max(granted_.control, pull.control_credits);
}

void BrokerLink::report(Metric metric) {
  if (metrics_.size() >= kMostMetrics) metrics_.pop_front();
  metrics_.push_back(std::move(metric));
}

void BrokerLink::send_metrics() {
  ReportMetrics report{hello_.worker, {}};
  std::size_t bytes = 0;
  for (Metric& metric : metrics_) {
    if (bytes + metric.body.size() > kMetricBytes) {
      send(report);
      report.metrics.clear();
      bytes = 0;
    }
    bytes += metric.body.size();
    report.metrics.push_back(std::move(metric));
  }
  metrics_.clear();
  if (!report.metrics.empty()) send(report);
}

void BrokerLink::leave() {
  if (session_ != 0) send(Goodbye{hello_.worker, session_});
  session_ = 0;
  for (Connection& connection : connections_) {
    loop_.unwatch(*connection.dealer);
    connection.dealer->close(kLinger);
  }
  connections_.clear();
}

}  // namespace ns::worker
