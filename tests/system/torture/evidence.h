// Evidence: all that is known of a run once it is quiet: what clients and workers wrote down, what the broker says of
// every task, and what is left in Redis. Plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/messages.h"
#include "tests/system/torture/cluster.h"

namespace ns::torture {

struct Submission {
  std::string kind;
  std::uint32_t priority = 1, workers = 1, max_attempts = 3;
  std::uint32_t trials = 0;  // that its coordinator should enqueue; 0: not known
  std::string end;           // how its coordinator means to end; see plan.h
  bool acknowledged = false;
  std::uint64_t cancelled_us = 0;  // when a cancel was first acknowledged; 0: never
  bool cancel_sent = false;
};

// What a client saw of something that had ended. It must never change.
struct Sighting {
  std::string task;
  std::int64_t trial = -1;  // -1: the task itself
  std::string state;
  std::string result;
};

// A line of a simulated worker's journal that speaks of a job.
struct WorkerEntry {
  std::uint64_t us = 0;
  std::string worker;
  std::string what;  // got, report, answer, lost, stopped, enqueued
  std::string job;
  std::uint64_t token = 0;
  std::uint32_t attempt = 0;
  std::string outcome;  // of a report
  std::string status;   // of an answer
  std::uint32_t trials = 0;
};

struct TaskRecord {
  std::string unread;  // why info and trials could not be read; info then has only what was submitted. Empty: they were
  TaskInfo info;
  std::vector<Event> events;
  std::vector<TrialInfo> trials;
};

struct Evidence {
  std::map<std::string, Submission> submissions;  // by task
  std::vector<Sighting> sightings;
  std::vector<WorkerEntry> worker_entries;        // by time
  std::map<std::string, std::uint64_t> goodbyes;  // worker -> when it said so
  std::map<std::string, TaskRecord> tasks;
  QueueInfo queue;
  std::vector<std::string> unanswered;                   // what a broker could not tell
  std::map<std::string, std::vector<std::string>> dead;  // job -> reasons, from Redis itself
  std::vector<std::string> leftovers;                    // what should not be in Redis any more, or is not known
};

// What clients have written down, enough to tell what still runs.
std::map<std::string, Submission> read_submissions(const Cluster&);

// Everything. REQUIRES: nothing of the run changes any more.
Evidence gather(const Cluster&);

}  // namespace ns::torture
