#include "broker/handlers/handlers.h"
#include "broker/turn_batches.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const ReportResults& report, std::string) {
  parts.batches.add(request, report);
}

}  // namespace ns::broker
