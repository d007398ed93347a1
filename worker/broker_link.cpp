#include "worker/broker_link.h"

#include <algorithm>

#include "common/error.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/wire.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

constexpr int kMostUnanswered = 4;       // then the next endpoint is tried
constexpr int kBeatsBetweenResults = 2;  // before a result that was not acknowledged is sent again
constexpr std::size_t kRememberedBeats = 8;
constexpr std::size_t kMostMetrics = limits::kMaxBatch;             // waiting to be sent; the oldest go first
constexpr std::size_t kResultBytes = limits::kMaxMessageBytes / 2;  // of one report
constexpr auto kLinger = 500ms;

}  // namespace

BrokerLink::BrokerLink(net::PollLoop& loop, std::vector<std::string> endpoints, net::PeerKeys keys, Hello hello,
                       Callbacks callbacks)
    : loop_(loop),
      endpoints_(std::move(endpoints)),
      keys_(std::move(keys)),
      hello_(std::move(hello)),
      callbacks_(std::move(callbacks)),
      heartbeat_period_(limits::kHeartbeat) {
  heartbeat_ = loop_.every(heartbeat_period_, [this] { beat(); });
  loop_.at_turn_end([this] { send_metrics(); });
  connect(0);
}

BrokerLink::~BrokerLink() {
  loop_.cancel(heartbeat_);
  if (dealer_) loop_.unwatch(*dealer_);
}

template <typename Message>
bool BrokerLink::send(const Message& message) {
  return dealer_->send(wire::encode(++last_request_, message));
}

void BrokerLink::connect(std::size_t endpoint) {
  if (dealer_) loop_.unwatch(*dealer_);
  endpoint_ = endpoint % endpoints_.size();
  dealer_ = std::make_unique<net::Dealer>(context_, endpoints_[endpoint_], keys_, net::Explain::yes);
  loop_.watch(*dealer_, [this] { receive(); });
  say_hello();
}

void BrokerLink::say_hello() {
  session_ = 0;
  unanswered_ = 0;
  beats_.clear();
  send(hello_);
}

void BrokerLink::receive() {
  while (std::optional<wire::Frames> frames = dealer_->receive()) {
    try {
      handle(*frames);
    } catch (const Error& failure) {
      log::warning("a message from {} is not understood: {}", endpoints_[endpoint_], failure.what());
    }
  }
}

void BrokerLink::handle(const wire::Frames& frames) {
  if (frames.size() < 2) throw Error(ErrorCode::invalid, "it has no body");
  const wire::Header header = wire::decode_header(frames[0]);
  unanswered_ = 0;
  switch (header.type) {
    case MessageType::welcome:
      return handle(wire::decode<Welcome>(frames[1]));
    case MessageType::jobs:
      return handle(wire::decode<Jobs>(frames[1]));
    case MessageType::heartbeat_reply:
      return handle(wire::decode<HeartbeatReply>(frames[1]), header.request);
    case MessageType::results_acknowledged:
      return handle(wire::decode<ResultsAcknowledged>(frames[1]));
    case MessageType::stop_job: {
      const StopJob stop = wire::decode<StopJob>(frames[1]);
      return callbacks_.stop(stop.job, stop.token, stop.outcome);
    }
    case MessageType::error:
      return handle(wire::decode<ErrorReply>(frames[1]));
    case MessageType::ok:
      return;
    default:
      log::debug("a {} was not expected", wire::name_of(header.type));
  }
}

void BrokerLink::handle(const Welcome& welcome) {
  session_ = welcome.session;
  taken_compute_ = taken_control_ = 0;
  log::info("welcomed by {} at {} (protocol {}.{}, here {}.{})", welcome.broker, endpoints_[endpoint_], kProtocolMajor,
            welcome.protocol_minor, kProtocolMajor, kProtocolMinor);
  const std::chrono::milliseconds period(welcome.heartbeat_ms);
  if (period.count() > 0 && period != heartbeat_period_) {
    heartbeat_period_ = period;
    loop_.cancel(heartbeat_);
    heartbeat_ = loop_.every(period, [this] { beat(); });
  }
  callbacks_.welcomed();
  send_results();
  beat();
}

void BrokerLink::handle(const Jobs& message) {
  // Jobs of another session were leased to this worker all the same; taking them is better than letting them expire.
  if (message.session == session_) {
    for (const Job& job : message.jobs) ++(job.kind == JobKind::task ? taken_control_ : taken_compute_);
  }
  std::vector<Job> jobs = message.jobs;
  for (Job& job : jobs) {
    for (const TaskSpecText& text : message.specs) {
      if (text.task == job.task) job.spec = text.spec;
    }
  }
  callbacks_.jobs(std::move(jobs));
}

void BrokerLink::handle(const HeartbeatReply& reply, std::uint64_t request) {
  const auto beat =
      std::find_if(beats_.begin(), beats_.end(), [&](const auto& entry) { return entry.first == request; });
  if (beat == beats_.end()) return;
  // The reply names jobs; which lease of theirs is meant is what that heartbeat listed.
  const std::vector<HeldJob> held = std::move(beat->second);
  beats_.erase(beats_.begin(), beat + 1);
  const auto each = [&](const std::vector<JobId>& jobs, const auto& act) {
    for (const JobId& job : jobs) {
      for (const HeldJob& lease : held) {
        if (lease.job == job) act(lease);
      }
    }
  };
  each(reply.lost, [&](const HeldJob& lease) {
    results_.erase({lease.job.text, lease.token});
    callbacks_.lost(lease.job, lease.token);
  });
  each(reply.cancelled, [&](const HeldJob& lease) { callbacks_.stop(lease.job, lease.token, Outcome::cancelled); });
  each(reply.early_stopped,
       [&](const HeldJob& lease) { callbacks_.stop(lease.job, lease.token, Outcome::early_stopped); });
}

void BrokerLink::handle(const ResultsAcknowledged& message) {
  for (const ResultAcknowledgement& result : message.results) {
    results_.erase({result.job.text, result.token});
    log::debug("{} {}", result.job.text, to_text(result.status));
  }
}

void BrokerLink::handle(const ErrorReply& reply) {
  if (error_code_from(reply.code) == ErrorCode::unknown_peer) {
    if (session_ != 0) say_hello();
    return;
  }
  log::warning("{} says {}: {}", endpoints_[endpoint_], reply.code, reply.message);
}

void BrokerLink::beat() {
  if (++unanswered_ > kMostUnanswered) {
    const auto refusal = dealer_->refusal();
    log::warning("{} does not answer{}", endpoints_[endpoint_], refusal ? ": " + refusal->why : std::string());
    connect(endpoint_ + 1);
    return;
  }
  if (session_ == 0) {
    send(hello_);
    return;
  }
  Heartbeat heartbeat;
  heartbeat.worker = hello_.worker;
  heartbeat.session = session_;
  heartbeat.jobs = callbacks_.running();
  for (const HeldJob& held : heartbeat.jobs)
    ++(held.job.text.find('/') == std::string::npos ? heartbeat.control_busy : heartbeat.compute_busy);
  for (const auto& [key, result] : results_) heartbeat.jobs.push_back({result.job, result.token});
  send(heartbeat);
  beats_.emplace_back(last_request_, std::move(heartbeat.jobs));
  if (beats_.size() > kRememberedBeats) beats_.pop_front();
  if (++beats_since_results_ >= kBeatsBetweenResults) send_results();
  pull();
}

void BrokerLink::offer(Vacancies vacancies) {
  vacancies_ = vacancies;
  if (session_ != 0) pull();
}

void BrokerLink::pull() {
  send(Pull{hello_.worker, session_, taken_compute_ + vacancies_.compute, taken_control_ + vacancies_.control});
}

void BrokerLink::report(JobResult result) {
  const Key key{result.job.text, result.token};
  if (session_ != 0) send(ReportResults{hello_.worker, {result}});
  results_.insert_or_assign(key, std::move(result));
}

void BrokerLink::send_results() {
  beats_since_results_ = 0;
  ReportResults report{hello_.worker, {}};
  std::size_t bytes = 0;
  for (const auto& [key, result] : results_) {
    const std::size_t size = result.result.size() + result.error.size();
    if (!report.results.empty() && (bytes + size > kResultBytes || report.results.size() == limits::kMaxBatch)) {
      send(report);
      report.results.clear();
      bytes = 0;
    }
    report.results.push_back(result);
    bytes += size;
  }
  if (!report.results.empty()) send(report);
}

void BrokerLink::report(const Metric& metric) {
  if (metrics_.size() >= kMostMetrics) metrics_.erase(metrics_.begin());
  metrics_.push_back(metric);
}

void BrokerLink::send_metrics() {
  if (metrics_.empty() || session_ == 0) return;
  send(ReportMetrics{hello_.worker, std::exchange(metrics_, {})});
}

void BrokerLink::leave() {
  if (session_ != 0) send(Goodbye{hello_.worker, session_});
  loop_.unwatch(*dealer_);
  dealer_->close(kLinger);
  dealer_.reset();
  session_ = 0;
}

}  // namespace ns::worker
