#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"
#include "common/log.h"

namespace ns::broker {
namespace {

// Of one attempt: a trial that reports more is dropped the rest of, so that a task's history stays bounded.
constexpr std::uint32_t kMostMetrics = 10'000;

}  // namespace

void handle(Parts& parts, const Request& request, const ReportMetrics& report, std::string) {
  parts.workers.require_own(report.worker, request.sender());
  store::Arguments arguments(report.worker.text, kMostMetrics);
  for (const Metric& metric : report.metrics) {
    arguments.add(metric.job.text, metric.token, metric.sequence, metric.body);
  }
  // It has no answer, but is under way as long as Redis has not taken it.
  parts.store.call("metrics", arguments, [request](const store::Reply& reply) {
    if (reply.is_error()) log::debug("metrics were dropped: {}", reply.error().what());
  });
}

}  // namespace ns::broker
