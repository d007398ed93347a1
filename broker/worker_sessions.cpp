#include "broker/worker_sessions.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "common/limits.h"
#include "common/log.h"
#include "common/wire.h"

namespace ns::broker {
namespace {

constexpr std::uint64_t kMostLeased = 256;                                  // jobs of one call: keeps Redis responsive
constexpr std::size_t kMostPushedBytes = limits::kMaxMessageBytes * 3 / 4;  // of one jobs message

// See the result of scripts/lease.lua.
std::vector<Job> jobs_from(const store::Reply& reply) {
  std::map<std::string, std::string> specs;
  const auto& spec_list = reply.at(1).list();
  for (std::size_t i = 0; i + 1 < spec_list.size(); i += 2) specs[spec_list[i].text()] = spec_list[i + 1].text();
  std::vector<Job> jobs;
  for (const store::Reply& entry : reply.at(0).list()) {
    Job job;
    job.job = {entry.at(0).text()};
    job.task = {entry.at(1).text()};
    job.task_kind = entry.at(2).text();
    job.kind = entry.at(3).text().empty() ? JobKind::task : JobKind::trial;
    job.number = static_cast<std::uint32_t>(entry.at(3).number());
    job.attempt = static_cast<std::uint32_t>(entry.at(4).number());
    job.token = entry.at(5).number();
    job.parameters = entry.at(6).text();
    job.time_limit_ms = entry.at(7).number();
    job.memory_limit_bytes = entry.at(8).number();
    job.spec = specs[job.task.text];
    jobs.push_back(std::move(job));
  }
  return jobs;
}

std::size_t size_of(const Job& job) { return job.spec.size() + job.parameters.size() + 256; }

}  // namespace

WorkerSessions::WorkerSessions(net::Router& router, store::Client& store, std::chrono::milliseconds lease)
    : router_(router), store_(store), lease_(lease) {}

void WorkerSessions::begin(const WorkerId& worker, std::uint64_t session, const net::Peer& peer) {
  Session& known = sessions_[worker];
  if (known.number >= session) return;  // answers of two hellos may cross
  known = Session{session, peer, {}, {}, false};
}

void WorkerSessions::end(const WorkerId& worker, std::uint64_t session) {
  const auto found = sessions_.find(worker);
  if (found != sessions_.end() && found->second.number == session) sessions_.erase(found);
}

void WorkerSessions::require(const WorkerId& worker, std::uint64_t session) const {
  const auto found = sessions_.find(worker);
  if (found != sessions_.end() && found->second.number == session) return;
  throw Error(ErrorCode::unknown_peer,
              "worker '" + worker.text + "' has no session " + std::to_string(session) + " here: say hello again",
              "session");
}

void WorkerSessions::grant(const Pull& pull) {
  Session& session = sessions_.at(pull.worker);
  session.compute.granted = std::max(session.compute.granted, pull.compute_credits);
  session.control.granted = std::max(session.control.granted, pull.control_credits);
  due_.insert(pull.worker);
}

void WorkerSessions::lease_for_all() {
  for (const auto& [worker, session] : sessions_) {
    if (session.compute.open() + session.control.open() > 0) due_.insert(worker);
  }
}

void WorkerSessions::flush() {
  for (const WorkerId& worker : std::exchange(due_, {})) {
    const auto found = sessions_.find(worker);
    if (found == sessions_.end()) continue;
    if (found->second.leasing) {
      due_.insert(worker);  // again when that call has been answered
    } else {
      lease(worker, found->second);
    }
  }
}

void WorkerSessions::lease(const WorkerId& worker, Session& session) {
  const std::uint64_t compute = std::min(session.compute.open(), kMostLeased);
  const std::uint64_t control = std::min(session.control.open(), kMostLeased);
  if (compute + control == 0 || !store_.is_ready()) return;
  session.leasing = true;
  store_.call("lease",
              {worker.text, std::to_string(session.number), std::to_string(lease_.count()), std::to_string(compute),
               std::to_string(control)},
              [this, worker, number = session.number](const store::Reply& reply) { leased(worker, number, reply); });
}

void WorkerSessions::leased(const WorkerId& worker, std::uint64_t number, const store::Reply& reply) {
  const auto found = sessions_.find(worker);
  const bool current = found != sessions_.end() && found->second.number == number;
  if (current) found->second.leasing = false;
  if (reply.is_error()) {
    const Error error = reply.error();
    if (current && error.code() == ErrorCode::unknown_peer) sessions_.erase(found);  // it lives with another broker now
    if (error.code() != ErrorCode::unknown_peer) log::warning("leasing for {} failed: {}", worker.text, error.what());
    return;
  }
  std::vector<Job> jobs = jobs_from(reply);
  if (!current) {
    hand_back(worker, jobs);
    return;
  }
  Session& session = found->second;
  const std::size_t asked = std::min(session.compute.open() + session.control.open(), kMostLeased);
  for (const Job& job : jobs) ++(job.kind == JobKind::task ? session.control : session.compute).sent;
  if (jobs.size() >= asked && session.compute.open() + session.control.open() > 0) due_.insert(worker);
  // A worker that lives after all is told unknown_peer at its next heartbeat, and says hello again.
  if (!push(worker, session, std::move(jobs))) sessions_.erase(worker);
}

bool WorkerSessions::push(const WorkerId& worker, Session& session, std::vector<Job> jobs) {
  bool there = true;
  for (std::size_t first = 0; first < jobs.size();) {
    Jobs message;
    message.session = session.number;
    std::size_t bytes = 0;
    while (first < jobs.size() && (message.jobs.empty() || bytes + size_of(jobs[first]) <= kMostPushedBytes)) {
      bytes += size_of(jobs[first]);
      message.jobs.push_back(std::move(jobs[first++]));
    }
    if (router_.send(session.peer, wire::encode(0, message))) continue;
    hand_back(worker, message.jobs);
    there = false;
  }
  return there;
}

// The worker never saw them: others may have them at once, and no attempt is lost.
void WorkerSessions::hand_back(const WorkerId& worker, const std::vector<Job>& jobs) {
  if (jobs.empty()) return;
  log::info("worker {} has gone: {} jobs go back to the queue", worker.text, jobs.size());
  store::Arguments arguments{worker.text};
  for (const Job& job : jobs) {
    arguments.insert(arguments.end(), {job.job.text, std::to_string(job.token),
                                       std::string(to_text(Outcome::handed_back)), "", "its worker has gone"});
  }
  store_.call("commit", arguments, [](const store::Reply& reply) {
    // Then the leases run out instead.
    if (reply.is_error()) log::warning("handing jobs back failed: {}", reply.error().what());
  });
}

void WorkerSessions::push_stop(const std::string& stop) {
  std::istringstream words(stop);
  std::string worker, job, outcome;
  StopJob message;
  if (!(words >> worker >> job >> message.token >> outcome)) return;
  const auto found = sessions_.find(WorkerId{worker});
  if (found == sessions_.end()) return;
  message.job = {job};
  from_text(outcome, message.outcome);
  // Should it not arrive, the reply to the next heartbeat says the same.
  router_.send(found->second.peer, wire::encode(0, message));
}

}  // namespace ns::broker
