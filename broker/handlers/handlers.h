// Handlers: one file a request. Each takes the decoded message and sees to its answer; what it throws is answered as an
// error by dispatch, the one catch. The loop's thread only.
//
// A new request: its struct and number in common/messages.h, its line here, its file beside this one.
#pragma once

#include <string>

#include "broker/parts.h"
#include "broker/request.h"
#include "common/messages.h"
#include "common/net/socket.h"

#define NS_REQUESTS(X)             \
  X(submit_task, SubmitTask)       \
  X(get_task, GetTask)             \
  X(list_tasks, ListTasks)         \
  X(cancel_task, CancelTask)       \
  X(read_events, ReadEvents)       \
  X(get_trials, GetTrials)         \
  X(list_workers, ListWorkers)     \
  X(get_queue, GetQueue)           \
  X(ping, Ping)                    \
  X(stat_artifact, StatArtifact)   \
  X(put_artifact, PutArtifact)     \
  X(get_artifact, GetArtifact)     \
  X(hello, Hello)                  \
  X(pull, Pull)                    \
  X(heartbeat, Heartbeat)          \
  X(report_results, ReportResults) \
  X(report_metrics, ReportMetrics) \
  X(goodbye, Goodbye)              \
  X(enqueue_trials, EnqueueTrials) \
  X(stop_trial, StopTrial)         \
  X(append_event, AppendEvent)

namespace ns::broker {

// Checks, decodes and hands to the message's handler. Never throws because of what a peer sent.
void dispatch(Parts&, net::Incoming);

#define NS_HANDLE(name, Struct) void handle(Parts&, const Request&, const Struct&, std::string attachment);
NS_REQUESTS(NS_HANDLE)
#undef NS_HANDLE

}  // namespace ns::broker
