#include "broker/handlers/handlers.h"

namespace ns::broker {

void handle(Parts& parts, const Request& request, const ReportResults& report, std::string) {
  store::Arguments arguments{report.worker.text};
  for (const JobResult& result : report.results) {
    arguments.insert(arguments.end(), {result.job.text, std::to_string(result.token),
                                       std::string(to_text(result.outcome)), result.result, result.error});
  }
  parts.store.call("commit", arguments, request.answer([results = report.results](const store::Reply& reply) {
    ResultsAcknowledged acknowledged;
    for (std::size_t i = 0; i < results.size(); ++i) {
      ResultAcknowledgement one{results[i].job, results[i].token, CommitStatus::stale};
      from_text(reply.at(i).text(), one.status);
      acknowledged.results.push_back(std::move(one));
    }
    return acknowledged;
  }));
}

}  // namespace ns::broker
