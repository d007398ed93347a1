#include "broker/handlers/handlers.h"
#include "broker/worker_sessions.h"

namespace ns::broker {
namespace {

std::vector<JobId> jobs_from(const store::Reply& list) {
  std::vector<JobId> jobs;
  for (const store::Reply& job : list.list()) jobs.push_back({job.text()});
  return jobs;
}

}  // namespace

void handle(Parts& parts, const Request& request, const Heartbeat& heartbeat, std::string) {
  parts.workers.require(heartbeat.worker, heartbeat.session);
  store::Arguments arguments{heartbeat.worker.text, std::to_string(heartbeat.session),
                             std::to_string(parts.options.lease.count()), std::to_string(heartbeat.compute_busy),
                             std::to_string(heartbeat.control_busy)};
  for (const HeldJob& held : heartbeat.jobs) {
    arguments.push_back(held.job.text);
    arguments.push_back(std::to_string(held.token));
  }
  parts.store.call("renew", arguments, request.answer([](const store::Reply& reply) {
    return HeartbeatReply{jobs_from(reply.at(0)), jobs_from(reply.at(1)), jobs_from(reply.at(2))};
  }));
}

}  // namespace ns::broker
