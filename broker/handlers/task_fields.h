// How scripts/read_task.lua lists a task's fields.
#pragma once

#include "broker/store/reply.h"
#include "common/messages.h"

namespace ns::broker {

TaskInfo task_from(const store::Reply&);

}  // namespace ns::broker
