#include "broker/turn_batches.h"

#include <algorithm>
#include <utility>

#include "broker/event_waiters.h"
#include "broker/worker_sessions.h"

namespace ns::broker {
namespace {

constexpr std::size_t kMostBytes = 1u << 20;  // of results in one call, and
constexpr std::size_t kMostWords = 6 * 1024;  // of its arguments: Redis serves nobody else meanwhile
constexpr std::size_t kMostRests = 256;       // in one call

std::vector<JobId> jobs_from(const store::Reply& list) {
  std::vector<JobId> jobs;
  for (const store::Reply& job : list.list()) jobs.push_back({std::string(job.text())});
  return jobs;
}

}  // namespace

TurnBatches::TurnBatches(store::Client& store, EventWaiters& waiters, WorkerSessions& workers,
                         std::chrono::milliseconds lease)
    : store_(store), waiters_(waiters), workers_(workers), lease_(lease) {}

void TurnBatches::add(const Request& request, ReportResults report) {
  Report& batched = reports_.emplace_back(Report{request, {}});
  batched.results.reserve(report.results.size());
  for (JobResult& result : report.results) {
    result_bytes_ += result.result.size() + result.error.size();
    std::string task = result.job.text.substr(0, result.job.text.find('/'));
    if (tasks_.empty() || tasks_.back() != task) tasks_.push_back(std::move(task));
    results_.add(report.worker.text, result.job.text, result.token, to_text(result.outcome), result.result,
                 result.error);
    batched.results.push_back({std::move(result.job), result.token, CommitStatus::stale});
  }
  if (result_bytes_ >= kMostBytes || results_.count() >= kMostWords) flush_results();
}

void TurnBatches::add(const Request& request, Heartbeat heartbeat) {
  if (held_.empty()) held_.add(lease_.count());
  held_.add(heartbeat.worker.text, heartbeat.session, heartbeat.compute_busy, heartbeat.control_busy,
            heartbeat.jobs.size());
  for (const HeldJob& job : heartbeat.jobs) held_.add(job.job.text, job.token);
  const bool rests = is_at_rest(heartbeat);
  beats_.push_back({request, std::move(heartbeat.worker), heartbeat.session, rests});
  if (held_.count() >= kMostWords) flush_heartbeats();
}

void TurnBatches::flush() {
  flush_results();
  flush_heartbeats();
}

void TurnBatches::flush_results() {
  if (reports_.empty()) return;
  store_.call("commit", results_, [reports = std::exchange(reports_, {})](const store::Reply& reply) mutable {
    std::size_t next = 0;
    for (Report& report : reports) {
      guarded(report.request, [&] {
        if (reply.is_error()) throw reply.error();
        for (auto& one : report.results) from_text(reply.at(next++).text(), one.status);
        report.request.reply(ResultsAcknowledged{std::move(report.results)});
      });
    }
  });
  results_.clear();
  result_bytes_ = 0;
  // Whoever waits for these results reads them in the same exchange with Redis; the wake-up would come one later.
  std::sort(tasks_.begin(), tasks_.end());
  tasks_.erase(std::unique(tasks_.begin(), tasks_.end()), tasks_.end());
  for (const std::string& task : std::exchange(tasks_, {})) waiters_.wake(task);
}

void TurnBatches::flush_heartbeats() {
  if (beats_.empty()) return;
  const Clock::Time asked = steady_clock().now();
  store_.call("renew", held_, [this, asked, beats = std::exchange(beats_, {})](const store::Reply& reply) {
    for (std::size_t i = 0; i < beats.size(); ++i) {
      guarded(beats[i].request, [&] {
        if (reply.is_error()) throw reply.error();
        answer(beats[i], reply.at(i), asked);
      });
    }
  });
  held_.clear();
}

void TurnBatches::answer(const Beat& beat, const store::Reply& answer, Clock::Time asked) {
  if (!answer.is_list()) {
    workers_.end(beat.worker, beat.session);
    throw Error(ErrorCode::unknown_peer, "another session has begun: say hello again");
  }
  workers_.note(beat.worker, beat.session, beat.rests, asked);
  // Again and again until it has gone, whichever broker it talks to.
  if (answer.at(3).number() == 1) beat.request.push(Drain{beat.session});
  HeartbeatReply reply{jobs_from(answer.at(0)), jobs_from(answer.at(1)), jobs_from(answer.at(2))};
  reply.next_in_ms = workers_.next_heartbeat_ms(beat.worker);
  beat.request.reply(reply);
}

void TurnBatches::add_rest(const WorkerId& worker, std::uint64_t session) {
  rests_.emplace_back(worker, session);
  if (rests_.size() >= kMostRests) flush_rests();
}

void TurnBatches::flush_rests() {
  if (rests_.empty()) return;
  const Clock::Time asked = steady_clock().now();
  store::Arguments arguments(lease_.count());
  for (const auto& [worker, session] : rests_) arguments.add(worker.text, session, 0, 0, 0);
  store_.call("renew", arguments, [this, asked, rests = std::exchange(rests_, {})](const store::Reply& reply) {
    for (std::size_t i = 0; i < rests.size(); ++i) {
      const auto& [worker, session] = rests[i];
      if (reply.is_error()) {
        workers_.note(worker, session, false, asked);  // Redis hears of its next heartbeat
      } else if (!reply.at(i).is_list()) {
        workers_.end(worker, session);  // its next heartbeat is told to say hello again
      } else if (reply.at(i).at(3).number() == 1) {
        workers_.push_drain(worker, session);
      }
    }
  });
}

}  // namespace ns::broker
