#include <nlohmann/json.hpp>

#include "broker/handlers/handlers.h"
#include "common/limits.h"

namespace ns::broker {
namespace {

LeaseInfo lease_from(const store::Reply& fields) {
  LeaseInfo lease;
  lease.job.text = fields.at(0).text();
  lease.worker.text = fields.at(1).text();
  lease.token = fields.at(2).number();
  lease.attempt = static_cast<std::uint32_t>(fields.at(3).number());
  lease.expires_in_ms = fields.at(4).signed_number();
  return lease;
}

DeadLetter dead_letter_from(const store::Reply& fields) {
  DeadLetter dead;
  dead.job.text = fields.at(0).text();
  dead.time_ms = fields.at(1).number();
  const auto reasons = nlohmann::json::parse(fields.at(2).text(), nullptr, false);
  for (const auto& reason : reasons.is_array() ? reasons : nlohmann::json::array()) {
    if (reason.is_string()) dead.reasons.push_back(reason.get<std::string>());
  }
  return dead;
}

}  // namespace

void handle(Parts& parts, const Request& request, const GetQueue&, std::string) {
  parts.store.call("get_queue", {limits::kMaxBatch}, request.answer([](const store::Reply& reply) {
    QueueInfo queue;
    for (std::uint32_t priority = 1; priority <= 3; ++priority) {
      queue.depths.push_back({JobKind::trial, priority, reply.at(priority - 1).number()});
      queue.depths.push_back({JobKind::task, priority, reply.at(2 + priority).number()});
    }
    queue.delayed = reply.at(6).number();
    queue.leased = reply.at(7).number();
    for (const store::Reply& fields : reply.at(8).list()) queue.leases.push_back(lease_from(fields));
    queue.dead = reply.at(9).number();
    for (const store::Reply& fields : reply.at(10).list()) queue.dead_letters.push_back(dead_letter_from(fields));
    return queue;
  }));
}

}  // namespace ns::broker
