#include "worker/outbox.h"

#include <algorithm>
#include <utility>

#include "common/limits.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostBytes = limits::kMaxMessageBytes / 2;        // of one report
constexpr std::chrono::nanoseconds kFirstWait = 1s, kLongestWait = 8s;  // for an answer
constexpr std::size_t kRememberedRequests = 8;                          // of one report

std::size_t size_of(const JobResult& result) { return result.result.size() + result.error.size(); }

}  // namespace

void Outbox::add(JobResult result) { fresh_.push_back(std::move(result)); }

void Outbox::pack() {
  std::size_t bytes = 0;
  bool open = false;
  for (JobResult& result : fresh_) {
    const std::size_t size = size_of(result);
    if (!open || reports_.back().results.size() == limits::kMaxBatch || bytes + size > kMostBytes) {
      reports_.emplace_back();
      bytes = 0;
      open = true;
    }
    bytes += size;
    reports_.back().results.push_back(std::move(result));
  }
  fresh_.clear();
}

void Outbox::send(Time now, const Send& send) {
  pack();
  for (Report& report : reports_) {
    if (report.wait > 0ns && report.again_at > now) continue;
    const std::uint64_t request = send(report.results);
    if (request == 0) return;
    if (report.requests.size() == kRememberedRequests) report.requests.erase(report.requests.begin());
    report.requests.push_back(request);
    report.wait = std::clamp(2 * report.wait, kFirstWait, kLongestWait);
    report.again_at = now + report.wait;
  }
}

void Outbox::send_all_again() {
  for (Report& report : reports_) report.wait = 0ns;
}

std::deque<Outbox::Report>::iterator Outbox::find(std::uint64_t request) {
  return std::find_if(reports_.begin(), reports_.end(), [&](const Report& report) {
    return std::find(report.requests.begin(), report.requests.end(), request) != report.requests.end();
  });
}

void Outbox::acknowledged(std::uint64_t request, std::size_t results) {
  const auto report = find(request);
  if (report != reports_.end() && report->results.size() == results) reports_.erase(report);
}

std::vector<JobResult> Outbox::refused(std::uint64_t request) {
  const auto found = find(request);
  if (found == reports_.end()) return {};
  std::vector<JobResult> results = std::move(found->results);
  reports_.erase(found);
  if (results.size() == 1) return results;
  for (JobResult& result : results) reports_.emplace_back().results.push_back(std::move(result));
  return {};
}

void Outbox::list(std::vector<HeldJob>& all) const {
  for (const Report& report : reports_) {
    for (const JobResult& result : report.results) all.push_back({result.job, result.token});
  }
  for (const JobResult& result : fresh_) all.push_back({result.job, result.token});
}

}  // namespace ns::worker
