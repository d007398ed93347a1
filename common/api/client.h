// Client: the C++ library that the command line, the coordinator, the worker's artifact fetches and the gateways are
// written on. One request at a time, blocking, over one connection to a broker.
//
// Owned by whoever makes it; used by one thread only. A lost reply is retried with a new socket and the same request
// (every request of the protocol may safely be repeated) until the deadline, then Error(unavailable) names the
// endpoint. A broker that does not let this client in is Error(forbidden) at once, when no other endpoint is left.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/messages.h"
#include "common/net/keys.h"

namespace ns::api {

using namespace std::chrono_literals;

struct ClientOptions {
  std::vector<std::string> endpoints;        // tried in turn; "tcp://host:port" or "ipc://path"
  std::chrono::milliseconds deadline = 10s;  // of one call, retries included
  std::chrono::milliseconds attempt = 2s;    // before a retry
  std::function<bool()> interrupted;         // asked often while waiting; true makes the call throw Error(cancelled)
  net::PeerKeys keys;                        // for brokers at tcp:// that have a key
};

class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Each sends the request and returns the reply; an error reply is thrown as Error with its code and field.
  Pong ping();
  TaskAccepted submit(const SubmitTask&);
  TaskInfo get_task(const TaskId&);
  TaskList list_tasks(const ListTasks&);
  void cancel_task(const TaskId&);
  Events read_events(const ReadEvents&);  // waits up to its wait_ms (beyond the deadline where that is longer)
  TrialList get_trials(const GetTrials&);
  std::vector<TrialInfo> all_trials(const TaskId&);  // pages through get_trials
  WorkerList list_workers();
  QueueInfo get_queue();

  std::vector<DeadLetter> all_dead();            // pages through list_dead, newest first
  DeadChanged requeue_dead(std::vector<JobId>);  // any number
  DeadChanged purge_dead(std::vector<JobId>);    // any number
  void drain_worker(const WorkerId&);

  TrialsEnqueued enqueue_trials(const EnqueueTrials&);
  void stop_trial(const StopTrial&);
  void append_event(const AppendEvent&);

  // Called with bytes done and bytes in all; may be empty.
  using Progress = std::function<void(std::uint64_t, std::uint64_t)>;

  // Uploads the file (or bytes) unless the store has it; several chunks are kept in flight. Returns its id.
  ArtifactId put_artifact(const std::filesystem::path&, const Progress& = {});
  ArtifactId put_artifact_bytes(std::string_view bytes);
  ArtifactInfo stat_artifact(const ArtifactId&);
  // Downloads to `target` (through a temporary beside it), verifying the hash. Error(not_found) when the store lacks
  // it.
  void get_artifact(const ArtifactId&, const std::filesystem::path& target, const Progress& = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ns::api
