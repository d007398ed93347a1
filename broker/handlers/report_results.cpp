#include "broker/handlers/handlers.h"
#include "broker/turn_batches.h"
#include "broker/worker_sessions.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const ReportResults& report, std::string) {
  parts.workers.require_own(report.worker, request.sender());
  parts.batches.add(request, report);
}

}  // namespace ns::broker
