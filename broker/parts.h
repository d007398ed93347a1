// Parts: what handlers and duties work with. Made and wired by Broker; the loop's thread only.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "broker/admission.h"
#include "broker/retention.h"
#include "broker/store/settings.h"
#include "common/limits.h"

namespace ns::net {
class PollLoop;
class Router;
}  // namespace ns::net

namespace ns::broker {

namespace store {
class Client;
}
class EventWaiters;
class Peers;
class SharedArtifacts;
class TurnBatches;
class WorkerSessions;

struct Options {
  store::Settings redis;
  std::vector<std::string> listen;  // ZeroMQ endpoints
  std::string artifacts;            // folder; may be shared with other brokers
  std::string key;                  // file of this broker's secret key; empty: tcp:// is plain
  std::string authorized_keys;      // file: whom it lets in, when it has a key
  bool insecure = false;            // listen without a key beyond this machine too
  std::string advertise;            // where other brokers reach this one; empty: they do not
  std::size_t artifact_copies = 1;  // brokers that hold an artifact before its upload is acknowledged
  std::chrono::milliseconds lease = limits::kLease;
  std::chrono::milliseconds heartbeat = limits::kHeartbeat;
  AdmissionLimits admission;
  std::vector<Retention> keep_finished = parse_retention({});
  std::uint64_t max_open_tasks = limits::kMaxOpenTasks;  // pending and running, in all
  std::uint64_t max_ready = limits::kMaxReadyTrials;     // trials that wait for a worker, of one priority
};

struct Parts {
  const Options& options;
  const std::string& name;  // of this broker, for people
  net::PollLoop& loop;
  net::Router& router;
  Admission& admission;
  store::Client& store;
  WorkerSessions& workers;
  EventWaiters& waiters;
  TurnBatches& batches;
  Peers& peers;
  SharedArtifacts& artifacts;
};

}  // namespace ns::broker
