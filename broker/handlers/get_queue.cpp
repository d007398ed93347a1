#include "broker/handlers/dead_letters.h"
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
  lease.age_ms = fields.at(5).number();
  return lease;
}

ClassDepth class_depth_from(const store::Reply& fields) {
  return {std::string(fields.at(0).text()), static_cast<std::uint32_t>(fields.at(1).number()), fields.at(2).number(),
          fields.at(3).number()};
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
    for (const store::Reply& fields : reply.at(11).list()) queue.classes.push_back(class_depth_from(fields));
    const std::span<const store::Reply> counts = reply.at(12).list();
    queue.recent_ms = reply.at(12).at(0).number();
    for (std::size_t i = 1; i + 2 < counts.size(); i += 3) {
      queue.counters.push_back({std::string(counts[i].text()), counts[i + 1].number(), counts[i + 2].number()});
    }
    return queue;
  }));
}

}  // namespace ns::broker
