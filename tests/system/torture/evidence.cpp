#include "tests/system/torture/evidence.h"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <memory>
#include <regex>
#include <stdexcept>

#include "common/api/client.h"
#include "common/error.h"
#include "tests/system/torture/journal.h"
#include "tests/system/torture/redis_view.h"

namespace ns::torture {
namespace {

void read_client(const std::filesystem::path& file, std::map<std::string, Submission>& submissions,
                 std::vector<Sighting>* sightings) {
  for (const Json& entry : read_journal(file)) {
    const std::string what = entry.at("what");
    if (what == "no answer") continue;
    const std::string task = entry.at("task");
    Submission& submission = submissions[task];
    if (what == "submit") {
      submission.kind = entry.at("kind");
      submission.priority = entry.at("priority");
      submission.workers = entry.at("workers");
      submission.max_attempts = entry.at("max_attempts");
      submission.trials = entry.at("trials");
      submission.end = entry.at("end");
    } else if (what == "accepted") {
      submission.acknowledged = true;
    } else if (what == "cancel") {
      submission.cancel_sent = true;
    } else if (what == "cancelled" && submission.cancelled_us == 0) {
      submission.cancelled_us = entry.at("t");
    } else if (what == "saw trial" && sightings != nullptr) {
      sightings->push_back({task, entry.at("number"), entry.at("state"), entry.at("result")});
    } else if (what == "saw task" && sightings != nullptr) {
      sightings->push_back({task, -1, entry.at("state"), entry.at("result")});
    }
  }
}

void read_worker(const std::filesystem::path& file, Evidence& evidence) {
  const std::string worker = file.stem();
  for (const Json& entry : read_journal(file)) {
    WorkerEntry read;
    read.us = entry.at("t");
    read.worker = worker;
    read.what = entry.at("what");
    if (read.what == "goodbye") evidence.goodbyes[worker] = read.us;
    if (!entry.contains("job")) continue;
    read.job = entry.at("job");
    read.token = entry.at("token");
    read.attempt = entry.value("attempt", 0u);
    read.outcome = entry.value("outcome", "");
    read.status = entry.value("status", "");
    read.trials = entry.value("trials", 0u);
    evidence.worker_entries.push_back(std::move(read));
  }
}

std::vector<TaskInfo> all_tasks(api::Client& client) {
  std::vector<TaskInfo> all;
  for (;;) {
    ListTasks request;
    request.offset = static_cast<std::uint32_t>(all.size());
    request.limit = 1000;
    TaskList page = client.list_tasks(request);
    if (page.tasks.empty()) return all;
    std::move(page.tasks.begin(), page.tasks.end(), std::back_inserter(all));
  }
}

std::vector<Event> all_events(api::Client& client, const TaskId& task) {
  std::vector<Event> all;
  ReadEvents request;
  request.task = task;
  request.limit = 1000;
  for (;;) {
    const Events page = client.read_events(request);
    if (page.events.empty()) return all;
    all.insert(all.end(), page.events.begin(), page.events.end());
    request.after = page.events.back().id;
  }
}

// A queue that has lost count of something may be unable to tell what it is asked; that is evidence too.
TaskRecord read_task(api::Client& client, const TaskId& task, const Submission& submission) {
  TaskRecord record;
  try {
    record.events = all_events(client, task);
    record.trials = client.all_trials(task);
    record.info = client.get_task(task);
  } catch (const Error& error) {
    record.unread = error.what();
    record.info.task = task;
    record.info.kind = submission.kind;
    record.info.priority = submission.priority;
    record.info.workers = submission.workers;
  }
  return record;
}

}  // namespace

std::map<std::string, Submission> read_submissions(const Cluster& cluster) {
  std::map<std::string, Submission> submissions;
  for (const auto& file : cluster.journals(PartKind::client)) read_client(file, submissions, nullptr);
  return submissions;
}

Evidence gather(const Cluster& cluster) {
  Evidence evidence;
  for (const auto& file : cluster.journals(PartKind::client)) {
    read_client(file, evidence.submissions, &evidence.sightings);
  }
  for (const auto& file : cluster.journals(PartKind::simulated_worker)) read_worker(file, evidence);
  std::stable_sort(evidence.worker_entries.begin(), evidence.worker_entries.end(),
                   [](const WorkerEntry& a, const WorkerEntry& b) { return a.us < b.us; });
  api::ClientOptions options;
  options.endpoints = cluster.control_endpoints();
  options.deadline = std::chrono::seconds(30);
  api::Client client(options);
  RedisView redis(cluster.redis_socket());
  redis.wait_for_no_leases(std::chrono::milliseconds(3 * cluster.options().lease_ms));
  for (const std::string& task : redis.tasks()) {
    evidence.tasks[task] = read_task(client, {task}, evidence.submissions[task]);
  }
  try {
    const std::size_t listed = all_tasks(client).size();
    if (listed != evidence.tasks.size()) {
      evidence.unanswered.push_back(std::to_string(listed) + " tasks are listed, Redis has " +
                                    std::to_string(evidence.tasks.size()));
    }
    evidence.queue = client.get_queue();
  } catch (const Error& error) {
    evidence.unanswered.push_back(error.what());
  }
  evidence.dead = redis.dead_letters();
  evidence.leftovers = redis.leftovers(evidence.tasks);
  return evidence;
}

}  // namespace ns::torture
