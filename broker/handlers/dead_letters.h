// How scripts/read_queue.lua and scripts/dead.lua tell of dead letters.
#pragma once

#include "broker/store/reply.h"
#include "common/messages.h"

namespace ns::broker {

DeadLetter dead_letter_from(const store::Reply&);
DeadChanged dead_changed_from(const std::vector<JobId>& jobs, const store::Reply&);

}  // namespace ns::broker
