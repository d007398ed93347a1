#include "tests/system/torture/checker.h"

#include <algorithm>
#include <limits>
#include <set>

#include "tests/system/torture/journal.h"
#include "tests/system/torture/plan.h"

namespace ns::torture {
namespace {

constexpr std::uint64_t kLeastTrialsPerSecond = 5;  // a twentieth of what two busy cores manage under harm
constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

const std::set<std::string> kTrialEnds = {"trial.succeeded", "trial.failed", "trial.early_stopped", "trial.cancelled"};
const std::set<std::string> kTaskEnds = {"task.done", "task.failed", "task.cancelled"};

bool is_trial_event(const Event& event) { return event.type.compare(0, 6, "trial.") == 0; }

// One stay of a job with a worker, as events tell it.
struct Lease {
  std::uint32_t attempt = 0;
  std::string worker;
  std::uint64_t from_ms = 0;
  std::string end;  // the event that ended it; empty: another start followed, or nothing
};

struct TrialLife {
  int enqueued = 0;
  int ended = 0;
  std::string last;  // its end
  const Event* dead = nullptr;
  std::vector<Lease> leases;
};

struct Interval {
  std::uint64_t from_ms, to_ms;
};

// What one task's events say about leasing.
struct TaskView {
  std::string id;
  const TaskRecord* record = nullptr;
  std::map<std::uint32_t, TrialLife> trials;
  std::vector<Lease> coordinators;
  std::vector<std::uint64_t> starts;  // of trials, ms
  std::vector<Interval> leasable;     // a trial never started before was ready, and there was room, for certain
};

using ReportKey = std::pair<std::string, std::uint64_t>;  // job and token

class Checker {
 public:
  explicit Checker(const Evidence& evidence) : evidence_(evidence) {}

  std::vector<Violation> run() {
    read_journals();
    for (const auto& [id, record] : evidence_.tasks) views_.push_back(view_of(id, record));
    check_submissions();
    for (const TaskView& view : views_) check_task(view);
    check_answers();
    check_dead_letters();
    check_sightings();
    check_turns();
    for (const std::string& leftover : evidence_.leftovers) report("accounts", "redis", leftover);
    check_queue();
    return std::move(violations_);
  }

 private:
  void report(const std::string& promise, const std::string& subject, const std::string& text) {
    violations_.push_back({promise, subject, text});
  }

  // ---- what the simulated workers wrote

  void read_journals() {
    for (const WorkerEntry& entry : evidence_.worker_entries) {
      if (entry.what == "got") {
        std::uint64_t& newest = newest_token_[entry.job];
        newest = std::max(newest, entry.token);
        const auto [owner, is_new] = owners_.emplace(ReportKey{entry.job, entry.token}, entry.worker);
        if (!is_new && owner->second != entry.worker) {
          report("exclusive", entry.job,
                 "token " + std::to_string(entry.token) + " was given to " + owner->second + " and to " + entry.worker);
        }
        got_.insert({entry.job, entry.token / 1000, entry.worker});
      } else if (entry.what == "report") {
        reported_[{entry.job, entry.token}].insert(entry.outcome);
        if (entry.outcome == "handed_back") handed_back_.insert({entry.job, entry.worker});
      } else if (entry.what == "answer") {
        answers_[{entry.job, entry.token}].insert(entry.status);
      } else if (entry.what == "enqueued") {
        std::uint32_t& most = enqueued_[entry.job];
        most = std::max(most, entry.trials);
      }
    }
  }

  const Submission* submission_of(const std::string& task) const {
    const auto found = evidence_.submissions.find(task);
    return found == evidence_.submissions.end() ? nullptr : &found->second;
  }
  bool is_simulated(const TaskView& view) const { return view.record->info.kind == kSimulatedKind; }

  // ---- what events say

  static TaskView view_of(const std::string& id, const TaskRecord& record) {
    TaskView view;
    view.id = id;
    view.record = &record;
    for (const Event& event : record.events) {
      if (event.type == "task.started") view.coordinators.push_back({event.attempt, event.worker, event.time_ms, ""});
      if (event.type == "task.retrying" && !view.coordinators.empty()) view.coordinators.back().end = event.type;
      if (!is_trial_event(event)) continue;
      TrialLife& life = view.trials[event.trial];
      if (event.type == "trial.enqueued") ++life.enqueued;
      if (event.type == "trial.dead") life.dead = &event;
      if (event.type == "trial.started") {
        life.leases.push_back({event.attempt, event.worker, event.time_ms, ""});
        view.starts.push_back(event.time_ms);
      }
      const bool ends = kTrialEnds.count(event.type) > 0;
      if ((ends || event.type == "trial.retrying") && !life.leases.empty()) {
        if (life.leases.back().end.empty()) life.leases.back().end = event.type;
      }
      if (ends) {
        ++life.ended;
        life.last = event.type;
      }
    }
    find_leasable(view);
    return view;
  }

  static void find_leasable(TaskView& view) {
    std::set<std::uint32_t> fresh, running;  // running: may be more than really did
    std::uint64_t since = kForever;
    bool closing = false;
    for (const Event& event : view.record->events) {
      if (is_trial_event(event)) {
        if (event.type == "trial.enqueued") fresh.insert(event.trial);
        if (event.type == "trial.started") {
          fresh.erase(event.trial);
          running.insert(event.trial);
        }
        if (event.type == "trial.retrying") running.erase(event.trial);
        if (kTrialEnds.count(event.type) > 0) {
          fresh.erase(event.trial);
          running.erase(event.trial);
          closing = closing || event.type == "trial.cancelled";
        }
      }
      closing = closing || kTaskEnds.count(event.type) > 0;
      const bool now = !closing && !fresh.empty() && running.size() < view.record->info.workers;
      if (now && since == kForever) since = event.time_ms;
      if (!now && since != kForever) {
        view.leasable.push_back({since, event.time_ms});
        since = kForever;
      }
    }
  }

  // ---- lost, ended once, accounts

  void check_submissions() {
    for (const auto& [task, submission] : evidence_.submissions) {
      if (submission.acknowledged && evidence_.tasks.count(task) == 0) {
        report("lost", task, "its submission was acknowledged, and there is no such task");
      }
    }
    for (const auto& [task, trials] : enqueued_) {
      const auto found = evidence_.tasks.find(task);
      const std::size_t there = found == evidence_.tasks.end() ? 0 : found->second.trials.size();
      if (there < trials) {
        report("lost", task,
               std::to_string(trials) + " trials were acknowledged, " + std::to_string(there) + " are there");
      }
    }
  }

  void check_task(const TaskView& view) {
    const Submission* submission = submission_of(view.id);
    if (submission == nullptr) return report("accounts", view.id, "nobody submitted it");
    check_ends(view);
    check_leases(view.id, view.coordinators, submission->max_attempts);
    for (const auto& [number, life] : view.trials) {
      check_leases(view.id + "/" + std::to_string(number), life.leases, submission->max_attempts);
    }
    check_limit(view);
    check_order(view);
    check_cancel(view, *submission);
    if (!view.record->unread.empty()) return report("accounts", view.id, "it cannot be read: " + view.record->unread);
    check_answers_agree(view);
    check_coordinator_result(view);
    for (const auto& [number, life] : view.trials) check_trial(view, number, life);
    if (is_simulated(view)) check_outcome(view, *submission);
  }

  void check_ends(const TaskView& view) {
    std::size_t task_ends = 0;
    std::set<std::uint32_t> ended;
    for (const Event& event : view.record->events) {
      const std::string where = event.type + " (event " + event.id + ")";
      if (task_ends > 0) report("ended once", view.id, where + " follows the end of the task");
      task_ends += kTaskEnds.count(event.type);
      if (!is_trial_event(event) || event.type == "trial.metric") continue;
      const std::string job = view.id + "/" + std::to_string(event.trial);
      if (ended.count(event.trial) > 0) report("ended once", job, where + " follows its end");
      if (kTrialEnds.count(event.type) > 0) ended.insert(event.trial);
    }
    if (task_ends != 1) {
      report(task_ends == 0 ? "lost" : "ended once", view.id,
             "it has " + std::to_string(task_ends) + " ends, and is " + std::string(to_text(view.record->info.state)));
    }
    for (const auto& [number, life] : view.trials) {
      const std::string job = view.id + "/" + std::to_string(number);
      if (life.enqueued != 1) report("ended once", job, "enqueued " + std::to_string(life.enqueued) + " times");
      if (life.ended == 0) report("lost", job, "it never ended");
    }
  }

  void check_answers_agree(const TaskView& view) {
    const TaskInfo& task = view.record->info;
    const auto differs = [&](const std::string& what, std::uint64_t said, std::uint64_t counted) {
      if (said == counted) return;
      report("accounts", view.id,
             what + ": the task says " + std::to_string(said) + ", its history " + std::to_string(counted));
    };
    std::map<std::string, std::uint64_t> ends, states;
    for (const auto& [number, life] : view.trials) ++ends[life.last];
    for (const TrialInfo& trial : view.record->trials) ++states["trial." + std::string(to_text(trial.state))];
    differs("trials", view.record->trials.size(), view.trials.size());
    differs("waiting", task.trials_waiting, 0);
    differs("running", task.trials_running, 0);
    const std::pair<const char*, std::uint32_t> counters[] = {{"trial.succeeded", task.trials_succeeded},
                                                              {"trial.failed", task.trials_failed},
                                                              {"trial.early_stopped", task.trials_early_stopped},
                                                              {"trial.cancelled", task.trials_cancelled}};
    for (const auto& [name, said] : counters) {
      differs(name, said, ends[name]);
      differs(std::string(name) + " in the listing", states[name], ends[name]);
    }
    if (!view.record->events.empty() && "task." + std::string(to_text(task.state)) != view.record->events.back().type) {
      report("accounts", view.id,
             "it is " + std::string(to_text(task.state)) + ", its last event is " + view.record->events.back().type);
    }
  }

  // ---- attempts, exclusive, stale

  // A token is the microsecond of its lease. What never reached the worker, its broker took back.
  bool gave_back(const std::string& job, const Lease& lease) const {
    const bool delivered = got_.count({job, lease.from_ms, lease.worker}) > 0;
    const bool simulated = lease.worker.compare(0, 10, "simulated-") == 0;
    return !simulated || !delivered || handed_back_.count({job, lease.worker}) > 0 ||
           evidence_.goodbyes.count(lease.worker) > 0;
  }

  void check_leases(const std::string& job, const std::vector<Lease>& leases, std::uint32_t max_attempts) {
    for (std::size_t i = 0; i < leases.size(); ++i) {
      const Lease& lease = leases[i];
      const std::string start =
          "attempt " + std::to_string(lease.attempt) + " on " + lease.worker + " at " + std::to_string(lease.from_ms);
      if (max_attempts > 0 && lease.attempt > max_attempts)
        report("attempts", job, start + ": more than " + std::to_string(max_attempts));
      if (i == 0) {
        if (lease.attempt != 1) report("attempts", job, start + " is the first");
        continue;
      }
      const Lease& before = leases[i - 1];
      // Handed back, an attempt does not count, and trials' histories do not speak of it.
      const bool may_follow = before.end.empty()
                                  ? lease.attempt == before.attempt
                                  : lease.attempt == before.attempt + 1 || lease.attempt == before.attempt;
      if (!may_follow) report("attempts", job, start + " follows attempt " + std::to_string(before.attempt));
      if (before.end.empty() && (lease.attempt != before.attempt || !gave_back(job, before))) {
        report("exclusive", job,
               start + ", while " + before.worker + " had it since " + std::to_string(before.from_ms));
      }
    }
  }

  void check_coordinator_result(const TaskView& view) {
    if (is_simulated(view) && view.record->info.state == TaskState::done) {
      check_result(view.id, view.record->info.result, view.coordinators);
    }
  }

  void check_trial(const TaskView& view, std::uint32_t number, const TrialLife& life) {
    const std::string job = view.id + "/" + std::to_string(number);
    const auto info = std::find_if(view.record->trials.begin(), view.record->trials.end(),
                                   [&](const TrialInfo& trial) { return trial.number == number; });
    if (info == view.record->trials.end()) return report("accounts", job, "it is not listed");
    if (info->state == TrialState::succeeded) {
      if (life.leases.empty()) return report("stale", job, "it succeeded without a start");
      if (is_simulated(view)) check_result(job, info->result, life.leases);
    }
    if (info->state == TrialState::failed && is_simulated(view) && life.dead == nullptr) {
      const auto reports = reported_.find({job, newest_token_[job]});
      if (reports == reported_.end() || reports->second.count("failed") == 0) {
        report("stale", job, "it failed, which its newest lease did not report");
      }
    }
    if (life.dead != nullptr) check_dead(job, *life.dead, *info);
  }

  // A result says who made it under which token: that of the newest lease, and so reported.
  void check_result(const std::string& job, const std::string& text, const std::vector<Lease>& leases) {
    const Json result = Json::parse(text, nullptr, false);
    if (!result.is_object() || !result.contains("token"))
      return report("stale", job, "no worker of ours made the result " + text);
    const auto token = result.at("token").get<std::uint64_t>();
    if (token != newest_token_[job]) {
      report(
          "stale", job,
          "the result has token " + std::to_string(token) + ", the newest lease " + std::to_string(newest_token_[job]));
    }
    if (leases.empty()) return report("stale", job, "it was never leased");
    if (result.at("worker") != leases.back().worker || result.at("attempt") != leases.back().attempt) {
      report("stale", job,
             "the result is of " + text + ", the last lease was attempt " + std::to_string(leases.back().attempt) +
                 " on " + leases.back().worker);
    }
    const auto reports = reported_.find({job, token});
    if (reports == reported_.end() || reports->second.count("succeeded") == 0) {
      report("stale", job, "nobody reported the result " + text);
    }
  }

  // ---- answer

  const TrialInfo* trial_of(const std::string& job) const {
    const auto slash = job.find('/');
    const auto task = evidence_.tasks.find(job.substr(0, slash));
    if (task == evidence_.tasks.end() || slash == std::string::npos) return nullptr;
    const std::size_t number = std::stoul(job.substr(slash + 1));
    for (const TrialInfo& trial : task->second.trials) {
      if (trial.number == number) return &trial;
    }
    return nullptr;
  }

  bool is_unread(const std::string& job) const {
    const auto task = evidence_.tasks.find(job.substr(0, job.find('/')));
    return task != evidence_.tasks.end() && !task->second.unread.empty();
  }

  void check_answers() {
    std::map<std::string, std::set<std::uint64_t>> accepted;  // job -> tokens under which an end was accepted
    for (const auto& [key, statuses] : answers_) {
      const auto& [job, token] = key;
      const auto reports = reported_.find(key);
      if (reports == reported_.end() || reports->second.size() != 1) continue;
      const std::string& outcome = *reports->second.begin();
      const bool final = outcome == "succeeded" || outcome == "failed";
      if (!final || statuses.count("committed") == 0) continue;
      accepted[job].insert(token);
      if (statuses.count("stale") > 0) {
        report("answer", job, "token " + std::to_string(token) + " was told committed and stale");
      }
      if (job.find('/') == std::string::npos || is_unread(job)) continue;
      const TrialInfo* trial = trial_of(job);
      const std::string state = trial == nullptr ? "not there" : std::string(to_text(trial->state));
      if (state != outcome) report("answer", job, "told that it is committed as " + outcome + ", it is " + state);
    }
    for (const auto& [job, tokens] : accepted) {
      if (tokens.size() > 1) report("ended once", job, std::to_string(tokens.size()) + " leases were told committed");
      if (*tokens.rbegin() != newest_token_[job]) report("stale", job, "a report under an old token was accepted");
    }
  }

  // ---- dead letters

  void check_dead(const std::string& job, const Event& event, const TrialInfo& trial) {
    const Json body = Json::parse(event.body, nullptr, false);
    const std::size_t reasons = body.is_object() && body.contains("reasons") ? body.at("reasons").size() : 0;
    if (reasons != trial.attempt) {
      report("dead letter", job,
             std::to_string(reasons) + " reasons after " + std::to_string(trial.attempt) + " attempts");
    }
    if (trial.state != TrialState::failed)
      report("dead letter", job, "given up, and yet " + std::string(to_text(trial.state)));
    const auto letter = evidence_.dead.find(job);
    if (letter == evidence_.dead.end()) return report("dead letter", job, "given up, and not among the dead letters");
    if (letter->second.size() != reasons) report("dead letter", job, "the letter has other reasons than the event");
  }

  void check_dead_letters() {
    std::set<std::string> known;
    for (const TaskView& view : views_) {
      for (const auto& [number, life] : view.trials) {
        if (life.dead != nullptr) known.insert(view.id + "/" + std::to_string(number));
      }
      if (view.record->info.state == TaskState::failed) known.insert(view.id);
    }
    for (const auto& [job, reasons] : evidence_.dead) {
      if (known.count(job) == 0) report("dead letter", job, "among the dead letters, and not given up");
      if (reasons.empty()) report("dead letter", job, "without a reason");
    }
  }

  // ---- outcome of simulated tasks: nothing but what was planned or suffered

  void check_outcome(const TaskView& view, const Submission& submission) {
    const TaskInfo& task = view.record->info;
    const bool fails = submission.end == "fail" || submission.end == "fail early";
    if (task.state == TaskState::done) {
      if (fails) report("stale", view.id, "done, though its coordinator reports failure");
      if (view.trials.size() != submission.trials) {
        report("lost", view.id,
               std::to_string(view.trials.size()) + " of " + std::to_string(submission.trials) + " trials");
      }
      if (task.trials_cancelled > 0) report("accounts", view.id, "done with cancelled trials");
    } else if (task.state == TaskState::failed) {
      if (!fails && evidence_.dead.count(view.id) == 0) report("stale", view.id, "failed for no reason: " + task.error);
    } else if (task.state == TaskState::cancelled) {
      if (!submission.cancel_sent) report("accounts", view.id, "cancelled, and nobody asked");
    }
  }

  // ---- cancelled, limit, order

  void check_cancel(const TaskView& view, const Submission& submission) {
    if (submission.cancelled_us == 0) return;
    for (const Event& event : view.record->events) {
      const bool starts = event.type == "trial.started" || event.type == "task.started";
      if (starts && event.time_ms * 1000 > submission.cancelled_us) {
        report("cancelled", view.id, event.type + " (event " + event.id + ") after the cancel was acknowledged");
      }
    }
  }

  void check_limit(const TaskView& view) {
    // Of a trial that started twice without an end between it is not known when it was given back: from its first start
    // to the second it may not have run.
    std::map<std::uint32_t, std::size_t> next_lease;
    std::set<std::uint32_t> running;
    for (const Event& event : view.record->events) {
      if (event.type == "trial.started") {
        const TrialLife& life = view.trials.at(event.trial);
        const Lease& lease = life.leases[next_lease[event.trial]++];
        if (!lease.end.empty()) running.insert(event.trial);
        if (running.size() > view.record->info.workers) {
          report("limit", view.id,
                 std::to_string(running.size()) + " trials run at " + std::to_string(event.time_ms) + ", it may have " +
                     std::to_string(view.record->info.workers));
        }
      } else if (is_trial_event(event) && (event.type == "trial.retrying" || kTrialEnds.count(event.type) > 0)) {
        running.erase(event.trial);
      }
    }
  }

  void check_order(const TaskView& view) {
    std::set<std::uint32_t> fresh;
    for (const Event& event : view.record->events) {
      if (!is_trial_event(event)) continue;
      if (event.type == "trial.enqueued") fresh.insert(event.trial);
      if (event.type == "trial.started" && fresh.count(event.trial) > 0 && *fresh.begin() < event.trial) {
        report("order", view.id,
               "trial " + std::to_string(event.trial) + " started before trial " + std::to_string(*fresh.begin()));
      }
      if (event.type == "trial.started" || kTrialEnds.count(event.type) > 0) fresh.erase(event.trial);
    }
  }

  // ---- priority, fairness: among the tasks of a kind, which the same workers serve

  void check_turns() {
    std::map<std::string, std::vector<const TaskView*>> by_kind;
    for (const TaskView& view : views_) by_kind[view.record->info.kind].push_back(&view);
    for (const auto& [kind, views] : by_kind) {
      for (const TaskView* view : views) {
        for (const TaskView* other : views) {
          if (other->record->info.priority < view->record->info.priority) check_priority(*view, *other);
          if (other->record->info.priority == view->record->info.priority && other != view)
            check_fairness(*view, *other);
        }
      }
    }
  }

  // The interval that began before `from` and ended after `to`, if there is one.
  static const Interval* covering(const TaskView& view, std::uint64_t from, std::uint64_t to) {
    const auto next =
        std::lower_bound(view.leasable.begin(), view.leasable.end(), from,
                         [](const Interval& interval, std::uint64_t ms) { return interval.from_ms < ms; });
    for (auto at = next; at != view.leasable.begin();) {
      --at;
      if (at->to_ms > to) return &*at;
      if (at->to_ms < from) break;
    }
    return nullptr;
  }

  void check_priority(const TaskView& view, const TaskView& urgent) {
    for (const std::uint64_t start : view.starts) {
      if (covering(urgent, start, start) == nullptr) continue;
      report("priority", view.id,
             "a trial started at " + std::to_string(start) + " while " + urgent.id +
                 ", which is more urgent, had one to start");
      return;
    }
  }

  void check_fairness(const TaskView& view, const TaskView& other) {
    for (std::size_t i = 1; i < view.starts.size(); ++i) {
      const std::uint64_t from = view.starts[i - 1], to = view.starts[i];
      if (from == to || covering(other, from, to) == nullptr) continue;
      const auto turn = std::lower_bound(other.starts.begin(), other.starts.end(), from);
      if (turn != other.starts.end() && *turn <= to) continue;
      report("fairness", view.id,
             "started trials at " + std::to_string(from) + " and " + std::to_string(to) + " while " + other.id +
                 " waited for a turn");
      return;
    }
  }

  // ---- changed, and the queue at rest

  void check_sightings() {
    for (const Sighting& sighting : evidence_.sightings) {
      if (is_unread(sighting.task)) continue;
      const auto found = evidence_.tasks.find(sighting.task);
      if (found == evidence_.tasks.end()) {
        report("changed", sighting.task, "a client saw it end, and it is not there");
        continue;
      }
      std::string state(to_text(found->second.info.state)), result = found->second.info.result;
      std::string subject = sighting.task;
      if (sighting.trial >= 0) {
        subject += "/" + std::to_string(sighting.trial);
        const TrialInfo* trial = trial_of(subject);
        state = trial == nullptr ? "not there" : std::string(to_text(trial->state));
        result = trial == nullptr ? "" : trial->result;
      }
      if (state != sighting.state || result != sighting.result) {
        report("changed", subject,
               "a client saw " + sighting.state + " " + sighting.result + ", now it is " + state + " " + result);
      }
    }
  }

  void check_queue() {
    for (const std::string& text : evidence_.unanswered) report("accounts", "queue", text);
    const QueueInfo& queue = evidence_.queue;
    for (const QueueDepth& depth : queue.depths) {
      if (depth.ready != 0)
        report("accounts", "queue",
               std::to_string(depth.ready) + " jobs are ready at priority " + std::to_string(depth.priority));
    }
    if (queue.delayed != 0) report("accounts", "queue", std::to_string(queue.delayed) + " jobs are delayed");
    if (queue.leased != 0) report("accounts", "queue", std::to_string(queue.leased) + " jobs are leased");
    if (queue.dead != evidence_.dead.size()) {
      report("accounts", "queue",
             "it counts " + std::to_string(queue.dead) + " dead letters, Redis has " +
                 std::to_string(evidence_.dead.size()));
    }
  }

  const Evidence& evidence_;
  std::vector<Violation> violations_;
  std::vector<TaskView> views_;
  std::map<std::string, std::uint64_t> newest_token_;                  // by job
  std::map<ReportKey, std::string> owners_;                            // who got the job under that token
  std::set<std::tuple<std::string, std::uint64_t, std::string>> got_;  // job, ms of its lease, worker
  std::set<std::pair<std::string, std::string>> handed_back_;          // job, worker
  std::map<ReportKey, std::set<std::string>> reported_;                // outcomes
  std::map<ReportKey, std::set<std::string>> answers_;                 // statuses
  std::map<std::string, std::uint32_t> enqueued_;                      // task -> trials acknowledged
};

}  // namespace

std::vector<Violation> check(const Evidence& evidence) { return Checker(evidence).run(); }

std::vector<Violation> check_work(const std::map<std::string, std::uint64_t>& tally, int seconds) {
  std::vector<Violation> violations;
  const auto require = [&](const char* what, std::uint64_t least) {
    const auto found = tally.find(what);
    const std::uint64_t was = found == tally.end() ? 0 : found->second;
    if (was >= least) return;
    violations.push_back(
        {"work", "round", std::to_string(was) + " " + what + ", at least " + std::to_string(least) + " were expected"});
  };
  require("trials succeeded", kLeastTrialsPerSecond * static_cast<std::uint64_t>(seconds));
  require("tasks done", 1);
  require("retries", 1);
  require("sightings compared", 1);
  return violations;
}

std::map<std::string, std::uint64_t> tally(const Evidence& evidence) {
  std::map<std::string, std::uint64_t> counts;
  for (const auto& [task, submission] : evidence.submissions) {
    ++counts["tasks submitted"];
    counts["tasks acknowledged"] += submission.acknowledged;
    counts["cancels acknowledged"] += submission.cancelled_us > 0;
  }
  for (const auto& [id, record] : evidence.tasks) {
    ++counts["tasks " + std::string(to_text(record.info.state))];
    counts["trials"] += record.trials.size();
    counts["events"] += record.events.size();
    for (const TrialInfo& trial : record.trials) ++counts["trials " + std::string(to_text(trial.state))];
    for (const Event& event : record.events) {
      counts["leases"] += event.type == "trial.started" || event.type == "task.started";
      counts["retries"] += event.type == "trial.retrying" || event.type == "task.retrying";
    }
  }
  for (const WorkerEntry& entry : evidence.worker_entries) counts["stale reports refused"] += entry.status == "stale";
  counts["dead letters"] = evidence.dead.size();
  counts["sightings compared"] = evidence.sightings.size();
  return counts;
}

}  // namespace ns::torture
