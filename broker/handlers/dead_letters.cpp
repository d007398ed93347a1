#include "broker/handlers/dead_letters.h"

#include <nlohmann/json.hpp>

namespace ns::broker {

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

DeadChanged dead_changed_from(const std::vector<JobId>& jobs, const store::Reply& reply) {
  DeadChanged changed;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const std::string_view reason = reply.at(i).text();
    changed.changes.push_back({jobs[i], reason.empty(), std::string(reason)});
  }
  return changed;
}

}  // namespace ns::broker
