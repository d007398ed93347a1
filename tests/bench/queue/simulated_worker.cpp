#include "tests/bench/queue/simulated_worker.h"

#include <unistd.h>

#include <stdexcept>
#include <utility>

#include "tests/bench/queue/payload.h"

namespace ns::bench {
namespace {

constexpr std::chrono::seconds kPullAgain{5};

}  // namespace

SimulatedWorker::SimulatedWorker(Crowd& crowd, net::Context& context, const Plan& plan)
    : loop_(crowd.loop()),
      on_readable_([this] { receive(); }),
      link_(context, plan.broker, plan.keys),
      plan_(plan),
      result_(json_of(kResultBytes)) {
  Hello hello;
  hello.worker = {plan.name};
  hello.host = "bench";
  hello.pid = static_cast<std::uint32_t>(::getpid());
  hello.kinds = {plan.kind};
  hello.compute_slots = plan.credits;
  crowd.watch(link_.dealer(), on_readable_);
  link_.send(hello);
  receive();
}

SimulatedWorker::~SimulatedWorker() { loop_.cancel(timer_); }

void SimulatedWorker::start() {
  pull_.compute_credits = plan_.credits;
  pull();
  receive();
}

void SimulatedWorker::receive() {
  while (const auto received = link_.receive()) {
    if (received->is<Welcome>()) take(received->as<Welcome>());
    if (received->is<Jobs>()) take(received->as<Jobs>());
    if (received->is<ResultsAcknowledged>()) take(received->as<ResultsAcknowledged>());
    if (received->is<HeartbeatReply>()) take(received->as<HeartbeatReply>());
  }
}

void SimulatedWorker::take(const Welcome& welcome) {
  pull_.worker = {plan_.name};
  pull_.session = welcome.session;
  heartbeat_ = std::chrono::milliseconds(welcome.heartbeat_ms);
  timer_ = loop_.every(heartbeat_, [this] { beat(); });
}

void SimulatedWorker::take(const Jobs& jobs) {
  ReportResults report{pull_.worker, {}};
  report.results.reserve(jobs.jobs.size());
  for (const Job& job : jobs.jobs) {
    held_[job.job.text] = job.token;
    report.results.push_back({job.job, job.token, Outcome::succeeded, result_, ""});
  }
  link_.send(report);
  pull_.compute_credits += report.results.size();
  pull();
}

void SimulatedWorker::take(const ResultsAcknowledged& acknowledged) {
  for (const ResultAcknowledgement& one : acknowledged.results) {
    if (one.status != CommitStatus::committed) {
      throw std::runtime_error("the result of " + one.job.text + " was answered with " +
                               std::string(to_text(one.status)));
    }
    held_.erase(one.job.text);
  }
}

void SimulatedWorker::take(const HeartbeatReply& reply) {
  const std::chrono::milliseconds next(reply.next_in_ms);
  if (next.count() == 0 || next == heartbeat_) return;
  heartbeat_ = next;
  loop_.cancel(timer_);
  timer_ = loop_.every(heartbeat_, [this] { beat(); });
}

void SimulatedWorker::beat() {
  Heartbeat heartbeat;
  heartbeat.worker = pull_.worker;
  heartbeat.session = pull_.session;
  heartbeat.compute_busy = static_cast<std::uint32_t>(held_.size());
  for (const auto& [job, token] : held_) {
    if (heartbeat.jobs.size() == limits::kMaxBatch) break;  // those left have been acknowledged before the next one
    heartbeat.jobs.push_back({{job}, token});
  }
  link_.send(heartbeat);
  // As ns-worker does, should the broker not have taken the last one.
  if (pull_.compute_credits > 0 && steady_clock().now() - pulled_ >= kPullAgain) pull();
  receive();
}

void SimulatedWorker::pull() {
  pulled_ = steady_clock().now();
  link_.send(pull_);
}

}  // namespace ns::bench
