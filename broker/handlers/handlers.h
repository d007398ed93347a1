// Handlers: one file a request. Each takes the decoded message and sees to its answer; what it throws is answered as an
// error by dispatch, the one catch. The loop's thread only.
//
// A new request: its struct and number in common/messages.h, its line here, its file beside this one. The last column
// says which roles may send it, as few as can do with it; a plain connection (Role::local) may send everything.
#pragma once

#include <string>

#include "broker/parts.h"
#include "broker/request.h"
#include "common/messages.h"
#include "common/net/socket.h"

#define NS_REQUESTS(X)                      \
  X(submit_task, SubmitTask, clients)       \
  X(get_task, GetTask, anyone)              \
  X(list_tasks, ListTasks, clients)         \
  X(cancel_task, CancelTask, clients)       \
  X(read_events, ReadEvents, anyone)        \
  X(get_trials, GetTrials, anyone)          \
  X(list_workers, ListWorkers, clients)     \
  X(get_queue, GetQueue, clients)           \
  X(ping, Ping, anyone)                     \
  X(stat_artifact, StatArtifact, everyone)  \
  X(put_artifact, PutArtifact, everyone)    \
  X(get_artifact, GetArtifact, everyone)    \
  X(hello, Hello, workers)                  \
  X(pull, Pull, workers)                    \
  X(heartbeat, Heartbeat, workers)          \
  X(report_results, ReportResults, workers) \
  X(report_metrics, ReportMetrics, workers) \
  X(goodbye, Goodbye, workers)              \
  X(enqueue_trials, EnqueueTrials, workers) \
  X(stop_trial, StopTrial, workers)         \
  X(append_event, AppendEvent, workers)     \
  X(list_dead, ListDead, clients)           \
  X(requeue_dead, RequeueDead, operators)   \
  X(purge_dead, PurgeDead, operators)       \
  X(drain_worker, DrainWorker, operators)

namespace ns::broker {

// The words of the last column.
enum class Senders {
  everyone,   // client, worker, admin; other brokers
  anyone,     // client, worker, admin
  clients,    // client, admin
  workers,    // worker; the coordinators that run there too
  operators,  // admin
};
bool may_send(net::Role, Senders);

// Checks, decodes and hands to the message's handler. Never throws because of what a peer sent.
void dispatch(Parts&, net::Incoming);

#define NS_HANDLE(name, Struct, senders) void handle(Parts&, const Request&, const Struct&, std::string attachment);
NS_REQUESTS(NS_HANDLE)
#undef NS_HANDLE

}  // namespace ns::broker
