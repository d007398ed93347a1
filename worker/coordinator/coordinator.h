// The loop that runs one task: check, then ask → enqueue → watch → tell, round by round, until the search ends.
//
// It keeps nothing that is not in the broker: started again (elsewhere, by another worker) it tells a fresh search the
// trials that ended, waits for those that run, and carries on; nothing is run twice. One thread, one task.
#pragma once

#include "worker/coordinator/queue.h"
#include "worker/tasks/task_kind.h"

namespace ns::worker {

// The outcome of the task job. An error's text is JSON {"code", "message", "field"}.
tasks::TrialResult coordinate(const tasks::TaskKind&, const TaskId&, const std::string& spec, TaskQueue&,
                              tasks::Workplace&);

}  // namespace ns::worker
