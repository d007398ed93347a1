// LeasedJob: one job of the reply of scripts/lease.lua, whose texts are views of that reply. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "broker/store/reply.h"
#include "common/messages.h"

namespace ns::broker {

struct LeasedJob {
  std::string_view task, kind, spec;
  std::string_view number;  // empty: the task job
  std::uint32_t attempt;
  std::string_view token;
  std::string_view limits;
  std::string_view parameters;

  bool is_trial() const { return !number.empty(); }
  std::string id() const;
  Job make() const;  // without the spec
};

// Those that the call handed to this one of its workers, counted from 0; none to one of `unknown_peer`.
std::vector<LeasedJob> leased_jobs(const store::Reply&, std::size_t worker);

}  // namespace ns::broker
