#include "broker/worker_sessions.h"

#include <algorithm>
#include <sstream>
#include <unordered_set>
#include <utility>

#include "common/limits.h"
#include "common/log.h"
#include "common/wire.h"

namespace ns::broker {
namespace {

constexpr std::uint64_t kMostLeased = 256;                                  // jobs of one call for one worker
constexpr std::uint64_t kMostAsked = 512;                                   // jobs of one call: keeps Redis responsive
constexpr std::size_t kMostPushedBytes = limits::kMaxMessageBytes * 3 / 4;  // of one jobs message
constexpr std::uint64_t kUnknownAmount = 32;                                // of work that another broker heard of
constexpr std::uint64_t kScouts = 4;                                        // jobs that a dry group asks for
constexpr std::size_t kMostDry = 64;                                        // groups that are scouted at once

// For how long Redis need not hear of a worker at rest: what people see as its last sign of life is older by this at
// most.
constexpr std::chrono::milliseconds kRest{3000};
// Parts of a lease: a rest must be short enough never to be taken for silence, and heartbeats leave leases trusted.
constexpr int kRestOfLease = 4, kHeartbeatOfLease = 5;
// In shortest heartbeats: how late the next one is when a worker is probed. One whose connection ended, and that lives,
// has said it on another by then.
constexpr int kLate = 1, kVeryLate = 10;
constexpr int kDoubts = 2;  // probes: the first may still find a place in the queue of the connection that ended

}  // namespace

bool is_at_rest(const Heartbeat& heartbeat) {
  return heartbeat.jobs.empty() && heartbeat.compute_busy == 0 && heartbeat.control_busy == 0;
}

WorkerSessions::WorkerSessions(net::Router& router, store::Client& store, Times times, const Clock& clock)
    : router_(router),
      store_(store),
      times_(times),
      rarest_heartbeat_(std::max(times.heartbeat, std::min(limits::kRareHeartbeat, times.lease / kHeartbeatOfLease))),
      rest_(std::min(kRest, times.lease / kRestOfLease)),
      clock_(clock) {}

void WorkerSessions::begin(const WorkerId& worker, std::uint64_t session, const Sender& sender,
                           const std::string& offer) {
  // Its number may be one that was there before: a Redis that lost its last second counts from where it was.
  if (const auto found = sessions_.find(worker); found != sessions_.end()) erase(found);
  Session& known = sessions_[worker];
  known.number = session;
  known.group = groups_.try_emplace(offer).first;
  ++known.group->second.members;
  known.peer = sender.peer;
  known.key = sender.key;
  known.connection = sender.connection;
  known.heard = clock_.now();
}

void WorkerSessions::end(const WorkerId& worker, std::uint64_t session) {
  const auto found = sessions_.find(worker);
  if (found != sessions_.end() && found->second.number == session) erase(found);
}

void WorkerSessions::end_all() {
  sessions_.clear();
  groups_.clear();
}

void WorkerSessions::erase(Sessions::iterator found) {
  const Groups::iterator group = found->second.group;
  sessions_.erase(found);
  if (--group->second.members == 0) groups_.erase(group);
}

void WorkerSessions::require(const WorkerId& worker, std::uint64_t session, const net::Peer& peer) {
  const auto found = sessions_.find(worker);
  if (found != sessions_.end() && found->second.number == session && found->second.peer == peer) {
    found->second.heard = clock_.now();
    return;
  }
  throw Error(
      ErrorCode::unknown_peer,
      "worker '" + worker.text + "' has no session " + std::to_string(session) + " on this connection: say hello again",
      "session");
}

void WorkerSessions::require_own(const WorkerId& worker, const Sender& sender) const {
  const auto found = sessions_.find(worker);
  if (found == sessions_.end() || found->second.key == sender.key) return;
  throw Error(ErrorCode::forbidden, "worker '" + worker.text + "' has a session here that was begun with another key",
              "worker");
}

void WorkerSessions::grant(const Pull& pull) {
  Session& session = sessions_.at(pull.worker);
  const bool more = pull.compute_credits > session.compute.granted || pull.control_credits > session.control.granted;
  session.compute.granted = std::max(session.compute.granted, pull.compute_credits);
  session.control.granted = std::max(session.control.granted, pull.control_credits);
  if (more || !session.idle) make_due(pull.worker, session);  // a repeat finds no more work than before
}

std::uint32_t WorkerSessions::next_heartbeat_ms(const WorkerId& worker) {
  const std::chrono::milliseconds share(sessions_.size() * 1000 / limits::kHeartbeatsInSecond);
  const std::chrono::milliseconds next = std::clamp(share, times_.heartbeat, rarest_heartbeat_);
  const auto found = sessions_.find(worker);
  if (found != sessions_.end()) found->second.heartbeat = next;
  return static_cast<std::uint32_t>(next.count());
}

// While a lease call is under way its answer must come first: the worker takes an answered heartbeat for a sign that
// the jobs which it was sent before are still its own.
bool WorkerSessions::knows(const Heartbeat& heartbeat) const {
  const Session& session = sessions_.at(heartbeat.worker);
  return is_at_rest(heartbeat) && !session.leasing && session.rested && clock_.now() - *session.rested < 2 * rest_;
}

bool WorkerSessions::begins_rest_anew(const WorkerId& worker) {
  std::optional<Clock::Time>& rested = sessions_.at(worker).rested;
  if (clock_.now() - *rested < rest_) return false;
  rested = clock_.now();
  return true;
}

void WorkerSessions::note(const WorkerId& worker, std::uint64_t session, bool at_rest, Clock::Time asked) {
  const auto found = sessions_.find(worker);
  if (found == sessions_.end() || found->second.number != session) return;
  found->second.rested = at_rest ? std::optional(asked) : std::nullopt;
}

void WorkerSessions::doubt_all() {
  for (auto& [worker, session] : sessions_) session.rested.reset();
}

void WorkerSessions::hear(const std::string& worker) {
  std::istringstream words(worker);
  WorkerId id;
  std::uint64_t newest = 0;
  std::string drain;
  if (!(words >> id.text >> newest)) return;
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  if (found->second.number < newest) {
    erase(found);
  } else if (words >> drain) {
    push_drain(id, newest);
  }
}

void WorkerSessions::push_drain(const WorkerId& worker, std::uint64_t session) {
  const auto found = sessions_.find(worker);
  if (found == sessions_.end() || found->second.number != session) return;
  router_.send(found->second.peer, wire::encode(0, Drain{session}));
}

void WorkerSessions::make_due(const WorkerId& worker, Session& session) {
  if (session.due || session.compute.open() + session.control.open() == 0) return;
  session.due = true;
  due_.push_back(worker);
}

void WorkerSessions::make_idle(const WorkerId& worker, Session& session) {
  if (session.idle || session.compute.open() + session.control.open() == 0) return;
  session.idle = true;
  session.group->second.idle.push_back(worker);
}

void WorkerSessions::work_came(JobKind kind, std::uint64_t jobs) { wake_idle(kind, jobs, true); }

void WorkerSessions::wake_idle(JobKind kind, std::uint64_t jobs, bool is_new) {
  std::size_t dry = 0;
  auto next = groups_.upper_bound(last_group_);
  for (std::size_t left = groups_.size(); left > 0 && jobs > 0 && dry < kMostDry; --left, ++next) {
    if (next == groups_.end()) next = groups_.begin();
    last_group_ = next->first;
    Group& group = next->second;
    if (!group.dry) {
      ask(group, kind, jobs);
      group.missed += is_new && jobs > 0;
      continue;
    }
    ++dry;
    // The work may be for others: it is still all there for those that come after.
    std::uint64_t scouted = std::min(jobs, kScouts);
    group.left(kind) = std::max(group.left(kind), jobs - scouted);
    ask(group, kind, scouted);
    group.missed += is_new && scouted > 0;
  }
}

// Idle workers of the group will lease at the end of the turn: enough for so many jobs. Those that are found take from
// `jobs` what they have credits for.
void WorkerSessions::ask(Group& group, JobKind kind, std::uint64_t& jobs) {
  // Each is looked at once; those without credits for this kind keep their place.
  for (std::size_t left = group.idle.size(); left > 0 && jobs > 0; --left) {
    WorkerId worker = std::move(group.idle.front());
    group.idle.pop_front();
    const auto found = sessions_.find(worker);
    if (found == sessions_.end() || !found->second.idle || &found->second.group->second != &group) continue;
    Session& session = found->second;
    session.idle = false;
    const std::uint64_t open = session.credits(kind).open();
    if (open == 0) {
      make_idle(worker, session);
      continue;
    }
    jobs -= std::min(jobs, open);
    make_due(worker, session);
  }
}

// A question of one of its workers brought so many jobs.
void WorkerSessions::learn(Group& group, std::uint64_t found) {
  group.dry = found == 0;
  if (group.dry) return;
  for (const JobKind kind : {JobKind::trial, JobKind::task}) {
    std::uint64_t left = std::exchange(group.left(kind), 0);
    ask(group, kind, left);
  }
}

void WorkerSessions::look_for_work() {
  work_came(JobKind::trial, kUnknownAmount);
  work_came(JobKind::task, kUnknownAmount);
}

void WorkerSessions::flush() {
  if (due_.empty() || !store_.is_ready()) return;
  store::Arguments arguments(times_.lease.count());
  std::vector<Asked> asked;
  std::uint64_t wanted = 0;
  std::vector<WorkerId> later;
  for (WorkerId& worker : std::exchange(due_, {})) {
    const auto found = sessions_.find(worker);
    if (found == sessions_.end()) continue;
    Session& session = found->second;
    if (session.leasing) {  // again when that call has been answered
      later.push_back(std::move(worker));
      continue;
    }
    session.due = false;
    const std::uint64_t compute = std::min(session.compute.open(), kMostLeased);
    const std::uint64_t control = std::min(session.control.open(), kMostLeased);
    if (compute + control == 0) continue;
    if (wanted > 0 && wanted + compute + control > kMostAsked) {
      lease(arguments, std::exchange(asked, {}));
      arguments = store::Arguments(times_.lease.count());
      wanted = 0;
    }
    wanted += compute + control;
    session.leasing = true;
    arguments.add(worker.text, session.number, compute, control);
    asked.push_back({std::move(worker), session.number, compute + control, session.group->second.missed});
  }
  if (!asked.empty()) lease(arguments, std::move(asked));
  due_ = std::move(later);
}

void WorkerSessions::lease(store::Arguments& arguments, std::vector<Asked> asked) {
  store_.call("lease", arguments,
              [this, asked = std::move(asked)](const store::Reply& reply) { leased(asked, reply); });
}

void WorkerSessions::leased(const std::vector<Asked>& asked, const store::Reply& reply) {
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto found = sessions_.find(asked[i].worker);
    if (found != sessions_.end() && found->second.number == asked[i].session) found->second.leasing = false;
    if (reply.is_error()) {
      if (found != sessions_.end()) make_idle(asked[i].worker, found->second);
    } else if (!reply.at(2 + i).is_list()) {  // unknown_peer: it lives with another broker now
      end(asked[i].worker, asked[i].session);
    } else {
      take(asked[i], leased_jobs(reply, i), reply.at(1).number() != 0);
    }
  }
  if (reply.is_error()) log::warning("leasing failed: {}", reply.error().what());
}

// Jobs for a worker that has gone meanwhile were never seen by it: others may have them at once, and no attempt is
// lost. Should it live after all, it is told unknown_peer at its next heartbeat and says hello again.
void WorkerSessions::take(const Asked& asked, const std::vector<LeasedJob>& jobs, bool cut) {
  const auto found = sessions_.find(asked.worker);
  const std::size_t count = jobs.size();
  if (found == sessions_.end() || found->second.number != asked.session) return hand_back(asked.worker, jobs);
  Session& session = found->second;
  const auto trials = static_cast<std::uint64_t>(
      std::count_if(jobs.begin(), jobs.end(), [](const LeasedJob& job) { return job.is_trial(); }));
  session.compute.sent += trials;
  session.control.sent += count - trials;
  if (count > 0 && !push(session, jobs)) {
    hand_back(asked.worker, jobs);
    lose(asked.worker, asked.session);
    return;
  }
  if (count > 0 || !cut) learn(session.group->second, count);
  if (count < asked.jobs && !cut) {
    // What came while it was asked for, and found nobody idle, may have come after Redis looked.
    return asked.missed == session.group->second.missed ? make_idle(asked.worker, session)
                                                        : make_due(asked.worker, session);
  }
  // There may be more than this worker took.
  make_due(asked.worker, session);
  if (trials > 0) wake_idle(JobKind::trial, trials, false);
  if (trials < count) wake_idle(JobKind::task, count - trials, false);
}

bool WorkerSessions::push(Session& session, const std::vector<LeasedJob>& jobs) {
  for (std::size_t next = 0; next < jobs.size();) {
    Jobs message;
    message.session = session.number;
    message.jobs.reserve(jobs.size() - next);
    std::size_t bytes = 0;
    std::vector<std::string_view> sent_specs;  // of these tasks
    for (; next < jobs.size(); ++next) {
      const LeasedJob& leased = jobs[next];
      const bool with_spec = std::find(sent_specs.begin(), sent_specs.end(), leased.task) == sent_specs.end();
      const std::size_t size = leased.parameters.size() + (with_spec ? leased.spec.size() : 0) + 256;
      if (!message.jobs.empty() && bytes + size > kMostPushedBytes) break;
      bytes += size;
      message.jobs.push_back(leased.make());
      if (!with_spec) continue;
      sent_specs.push_back(leased.task);
      message.specs.push_back({{std::string(leased.task)}, std::string(leased.spec)});
    }
    if (!router_.send(session.peer, wire::encode(0, message))) return false;
  }
  return true;
}

void WorkerSessions::hand_back(const WorkerId& worker, const std::vector<LeasedJob>& jobs) {
  if (jobs.empty()) return;
  log::info("worker {} has gone: {} jobs go back to the queue", worker.text, jobs.size());
  store::Arguments arguments;
  for (const LeasedJob& job : jobs) {
    arguments.add(worker.text, job.id(), job.token, to_text(Outcome::handed_back), "", "its worker has gone");
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

void WorkerSessions::probe_silent() {
  std::vector<std::pair<WorkerId, std::uint64_t>> gone;
  const Clock::Time now = clock_.now();
  const std::vector<net::Connection> list = router_.ended();
  const std::unordered_set<net::Connection> ended(list.begin(), list.end());
  for (auto& [worker, session] : sessions_) {
    if (!ended.empty() && ended.count(session.connection) > 0) session.doubts = kDoubts;
    const int late = session.doubts > 0 ? kLate : kVeryLate;
    if (now - session.heard < session.heartbeat + late * times_.heartbeat) continue;
    if (now - session.probed < times_.heartbeat) continue;
    session.probed = now;
    session.doubts = std::max(session.doubts - 1, 0);
    if (!router_.send(session.peer, wire::encode(0, Ok{}))) gone.emplace_back(worker, session.number);
  }
  for (const auto& [worker, session] : gone) lose(worker, session);
}

void WorkerSessions::lose(const WorkerId& worker, std::uint64_t session) {
  log::warning("the connection to worker {} has ended", worker.text);
  end(worker, session);
  store_.call("lose_worker", {worker.text, session}, [worker](const store::Reply& reply) {
    // Then its leases run out instead.
    if (reply.is_error()) log::warning("taking the jobs of {} failed: {}", worker.text, reply.error().what());
  });
}

}  // namespace ns::broker
