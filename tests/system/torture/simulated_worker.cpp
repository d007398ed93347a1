#include "tests/system/torture/simulated_worker.h"

#include <unistd.h>

#include <algorithm>

#include "common/error.h"
#include "common/limits.h"

namespace ns::torture {
namespace {

using namespace std::chrono_literals;

constexpr int kMostUnanswered = 4;  // heartbeats, before another broker is tried
constexpr auto kRepeat = 400ms;     // of what is not acknowledged
constexpr auto kGlance = 20ms;      // at most between two looks at the clock
constexpr double kReplayed = 0.5;   // of the leases whose job it held before under another token

std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }

std::string result_of(const std::string& worker, const Job& job) {
  return Json{{"worker", worker}, {"token", job.token}, {"attempt", job.attempt}}.dump();
}

}  // namespace

SimulatedWorker::SimulatedWorker(SimulatedWorkerOptions options)
    : options_(std::move(options)), journal_(options_.journal), random_(options_.seed) {}

void SimulatedWorker::run() {
  connect(options_.seed);
  while (!ending_) {
    const auto until = std::min<std::chrono::nanoseconds>(next_step() - now(), kGlance);
    dealer_->wait(std::max(1ms, std::chrono::ceil<std::chrono::milliseconds>(until)));
    receive();
    step();
  }
  journal_.write({{"what", "goodbye"}});
  send(Goodbye{{options_.name}, session_});
  dealer_->close(200ms);
}

SimulatedWorker::Time SimulatedWorker::next_step() const {
  Time next = next_beat_;
  for (const auto& [job, trial] : trials_) next = std::min(next, trial.due);
  for (const auto& [key, report] : reports_) next = std::min(next, report.next);
  for (const auto& [task, coordination] : coordinations_) next = std::min(next, coordination.next);
  return next;
}

// ---- the session

void SimulatedWorker::connect(std::size_t endpoint) {
  endpoint_ = endpoint % options_.endpoints.size();
  dealer_ = std::make_unique<net::Dealer>(context_, options_.endpoints[endpoint_]);
  say_hello();
}

void SimulatedWorker::say_hello() {
  session_ = 0;
  unanswered_ = 0;
  beat();
}

void SimulatedWorker::beat() {
  next_beat_ = now() + heartbeat_;
  if (++unanswered_ > kMostUnanswered) return connect(endpoint_ + 1);
  if (session_ == 0) {
    Hello hello;
    hello.worker = {options_.name};
    hello.host = "simulated";
    hello.pid = static_cast<std::uint32_t>(::getpid());
    hello.kinds = {kSimulatedKind};
    hello.compute_slots = options_.compute_slots;
    hello.control_slots = options_.control_slots;
    send(hello);
    return;
  }
  Heartbeat heartbeat;
  heartbeat.worker = {options_.name};
  heartbeat.session = session_;
  for (const auto& [job, trial] : trials_) {
    if (!trial.silent) heartbeat.jobs.push_back({trial.job.job, trial.job.token});
  }
  for (const auto& [task, coordination] : coordinations_) {
    heartbeat.jobs.push_back({coordination.job.job, coordination.job.token});
  }
  for (const auto& [key, report] : reports_) {
    if (report.repeat) heartbeat.jobs.push_back({{key.first}, key.second});
  }
  send(heartbeat);
  pull();
}

void SimulatedWorker::pull() {
  if (session_ == 0) return;
  const auto free = [](std::uint32_t slots, std::size_t busy) { return slots > busy ? slots - busy : 0; };
  send(Pull{{options_.name},
            session_,
            taken_compute_ + free(options_.compute_slots, trials_.size()),
            taken_control_ + free(options_.control_slots, coordinations_.size())});
}

void SimulatedWorker::welcome(const Welcome& message) {
  session_ = message.session;
  unanswered_ = 0;
  taken_compute_ = taken_control_ = 0;
  heartbeat_ = std::chrono::milliseconds(message.heartbeat_ms);
  lease_ = std::chrono::milliseconds(message.lease_ms);
  journal_.write({{"what", "hello"}, {"session", session_}});
  for (auto& [key, report] : reports_) report.next = now();
  beat();
}

// ---- what comes

void SimulatedWorker::receive() {
  while (auto frames = dealer_->receive()) handle(*frames);
}

void SimulatedWorker::handle(const wire::Frames& frames) {
  const wire::Header header = wire::decode_header(frames.at(0));
  switch (header.type) {
    case MessageType::welcome:
      return welcome(wire::decode<Welcome>(frames.at(1)));
    case MessageType::jobs:
      return take(wire::decode<Jobs>(frames.at(1)));
    case MessageType::heartbeat_reply:
      return heed(wire::decode<HeartbeatReply>(frames.at(1)));
    case MessageType::results_acknowledged:
      return acknowledge(wire::decode<ResultsAcknowledged>(frames.at(1)));
    case MessageType::trials_enqueued:
      return handle_enqueued(header.request);
    case MessageType::events:
      return handle_events(header.request, wire::decode<Events>(frames.at(1)));
    case MessageType::error:
      return heed_error(header, wire::decode<ErrorReply>(frames.at(1)));
    case MessageType::stop_job: {
      const auto stop = wire::decode<StopJob>(frames.at(1));
      return end_trial(stop.job.text, stop.token, "stopped");
    }
    default:
      return;
  }
}

void SimulatedWorker::take(const Jobs& message) {
  for (Job job : message.jobs) {
    for (const TaskSpecText& text : message.specs) {
      if (text.task == job.task) job.spec = text.spec;
    }
    journal_.write({{"what", "got"}, {"job", job.job.text}, {"attempt", job.attempt}, {"token", job.token}});
    if (message.session == session_) ++(job.kind == JobKind::task ? taken_control_ : taken_compute_);
    if (job.kind == JobKind::task) {
      take_task(job);
    } else {
      take_trial(job);
    }
  }
}

void SimulatedWorker::take_trial(const Job& job) {
  const auto known = trials_.find(job.job.text);
  if (known != trials_.end() && known->second.job.token >= job.token) return;
  replay_old_token(job);
  const Json parameters = Json::parse(job.parameters);
  Trial trial;
  trial.job = job;
  trial.plan = plan_for(parameters, job.attempt);
  trial.due = now() + std::chrono::milliseconds(parameters.at("run_ms").get<int>());
  trial.silent = trial.plan == "late" || trial.plan == "silent";
  // Once its lease has run out, the job may wait for its next attempt, run elsewhere, or have ended there.
  if (trial.silent) trial.due = now() + lease_ * static_cast<int>(between(random_, 110, 300)) / 100;
  trials_[job.job.text] = std::move(trial);
  held_before_[job.job.text] = job;
}

// As if the network had kept the report of an earlier lease until now.
void SimulatedWorker::replay_old_token(const Job& job) {
  const auto before = held_before_.find(job.job.text);
  if (before == held_before_.end() || before->second.token >= job.token || !happens(random_, kReplayed)) return;
  report(before->second, Outcome::succeeded, "", 1, false);
  send_reports();
}

void SimulatedWorker::take_task(const Job& job) {
  Coordination& coordination = coordinations_[job.job.text];
  if (coordination.job.token >= job.token) return;
  coordination = Coordination{};
  coordination.job = job;
  coordination.spec = Json::parse(job.spec);
  coordination.next = now();
}

void SimulatedWorker::heed(const HeartbeatReply& reply) {
  unanswered_ = 0;
  const auto end_all = [&](const std::vector<JobId>& jobs, const char* why) {
    for (const JobId& job : jobs) {
      if (const auto trial = trials_.find(job.text); trial != trials_.end()) {
        end_trial(job.text, trial->second.job.token, why);
      }
      if (const auto task = coordinations_.find(job.text); task != coordinations_.end()) {
        end_trial(job.text, task->second.job.token, why);
      }
    }
  };
  end_all(reply.lost, "lost");
  end_all(reply.cancelled, "stopped");
  end_all(reply.early_stopped, "stopped");
}

void SimulatedWorker::end_trial(const std::string& job, std::uint64_t token, const char* why) {
  journal_.write({{"what", why}, {"job", job}, {"token", token}});
  if (const auto task = coordinations_.find(job); task != coordinations_.end() && task->second.job.token == token) {
    coordinations_.erase(task);
  }
  const auto trial = trials_.find(job);
  if (trial == trials_.end() || trial->second.job.token != token || trial->second.plan == "linger") return;
  if (std::string(why) == "stopped") report(trial->second.job, Outcome::cancelled, "told to stop");
  trials_.erase(trial);
  pull();
}

void SimulatedWorker::acknowledge(const ResultsAcknowledged& message) {
  for (const ResultAcknowledgement& answer : message.results) {
    journal_.write(
        {{"what", "answer"}, {"job", answer.job.text}, {"token", answer.token}, {"status", to_text(answer.status)}});
    const auto report = reports_.find({answer.job.text, answer.token});
    if (report == reports_.end()) continue;
    const auto before = held_before_.find(answer.job.text);
    const bool final =
        report->second.result.outcome != Outcome::handed_back && answer.status == CommitStatus::committed;
    if (final && before != held_before_.end() && before->second.token == answer.token) held_before_.erase(before);
    reports_.erase(report);
  }
}

void SimulatedWorker::heed_error(const wire::Header& header, const ErrorReply& reply) {
  const ErrorCode code = error_code_from(reply.code);
  if (Coordination* coordination = coordination_of(header.request)) {
    coordination->request = 0;
    coordination->next = now() + kRepeat;
    if (code == ErrorCode::stale || code == ErrorCode::not_found) end_coordination(coordination->job.job.text, false);
    return;
  }
  if (code == ErrorCode::unknown_peer && session_ != 0) say_hello();
}

// ---- what is due

void SimulatedWorker::step() {
  std::vector<std::string> due;
  for (const auto& [job, trial] : trials_) {
    if (trial.due <= now()) due.push_back(job);
  }
  for (const std::string& job : due) {
    finish(trials_.at(job));
    trials_.erase(job);
  }
  std::vector<std::string> tasks;
  for (const auto& [task, coordination] : coordinations_) {
    if (coordination.next <= now()) tasks.push_back(task);
  }
  for (const std::string& task : tasks) advance(coordinations_.at(task));
  send_reports();
  if (!due.empty()) pull();
  if (next_beat_ <= now()) beat();
}

void SimulatedWorker::finish(Trial& trial) {
  if (trial.plan == "silent") return;
  if (trial.plan == "fail") return report(trial.job, Outcome::failed, "as planned");
  if (trial.plan == "crash") return report(trial.job, Outcome::crashed, "as planned");
  // The next lease has the same attempt, and so the same plan.
  if (trial.plan == "hand back" && happens(random_, 0.5)) return report(trial.job, Outcome::handed_back, "as planned");
  report(trial.job, Outcome::succeeded, "", trial.plan == "double" ? 3 : 1);
}

void SimulatedWorker::report(const Job& job, Outcome outcome, const std::string& error, int copies, bool repeat) {
  JobResult result{job.job, job.token, outcome, "", error};
  if (outcome == Outcome::succeeded) result.result = result_of(options_.name, job);
  journal_.write({{"what", "report"}, {"job", job.job.text}, {"token", job.token}, {"outcome", to_text(outcome)}});
  reports_[{job.job.text, job.token}] = Report{std::move(result), now(), copies, repeat};
}

void SimulatedWorker::send_reports() {
  ReportResults message{{options_.name}, {}};
  const auto send_full = [&](std::size_t most) {
    if (message.results.size() < most) return;
    send(message);
    message.results.clear();
  };
  for (auto report = reports_.begin(); report != reports_.end();) {
    if (report->second.next > now()) {
      ++report;
      continue;
    }
    for (int i = 0; i < report->second.copies; ++i) {
      message.results.push_back(report->second.result);
      if (i > 0) send_full(1);  // some copies in one message, some in two
    }
    report->second.copies = 1;
    report->second.next = now() + kRepeat;
    if (report->second.repeat) {
      ++report;
    } else {
      report = reports_.erase(report);
    }
    send_full(limits::kMaxBatch);
  }
  send_full(1);
}

// ---- tasks

std::uint32_t SimulatedWorker::wanted_trials(const Coordination& coordination) const {
  const auto all = coordination.spec.at("trials").get<std::uint32_t>();
  const auto batch = coordination.spec.at("batch").get<std::uint32_t>();
  return std::min(all, (coordination.ended / batch + 1) * batch);
}

// Sends the one request that comes next, or the same once more.
void SimulatedWorker::advance(Coordination& coordination) {
  coordination.next = now() + kRepeat;
  if (session_ == 0) return;
  const Json& spec = coordination.spec;
  const auto all = spec.at("trials").get<std::uint32_t>();
  const bool gives_up = spec.at("end") == "fail early" && coordination.ended * 2 >= all;
  if (gives_up || coordination.ended == all) return end_coordination(coordination.job.job.text, true);
  const std::uint32_t wanted = wanted_trials(coordination);
  if (coordination.acknowledged < wanted) {
    EnqueueTrials enqueue{coordination.job.task, coordination.job.token, {}};
    for (std::uint32_t number = coordination.acknowledged; number < wanted; ++number) {
      enqueue.trials.push_back({number, parameters_of(spec, number).dump(), 0, 0});
    }
    coordination.request = send(enqueue);
    return;
  }
  ReadEvents read;
  read.task = coordination.job.task;
  read.after = coordination.after;
  read.wait_ms = 300;
  coordination.next = now() + read.wait_ms * 1ms + kRepeat;
  coordination.request = send(read);
}

SimulatedWorker::Coordination* SimulatedWorker::coordination_of(std::uint64_t request) {
  for (auto& [task, coordination] : coordinations_) {
    if (coordination.request == request) return &coordination;
  }
  return nullptr;
}

void SimulatedWorker::handle_enqueued(std::uint64_t request) {
  Coordination* coordination = coordination_of(request);
  if (coordination == nullptr) return;
  coordination->request = 0;
  coordination->acknowledged = wanted_trials(*coordination);
  coordination->next = now();
  journal_.write({{"what", "enqueued"},
                  {"job", coordination->job.job.text},
                  {"token", coordination->job.token},
                  {"trials", coordination->acknowledged}});
}

void SimulatedWorker::handle_events(std::uint64_t request, const Events& message) {
  Coordination* coordination = coordination_of(request);
  if (coordination == nullptr) return;
  coordination->request = 0;
  coordination->next = now();
  for (const Event& event : message.events) {
    coordination->after = event.id;
    const bool ends = event.type == "trial.succeeded" || event.type == "trial.failed" ||
                      event.type == "trial.cancelled" || event.type == "trial.early_stopped";
    if (ends && coordination->ended_trials.insert(event.trial).second) ++coordination->ended;
  }
  if (message.ended && message.events.empty()) end_coordination(coordination->job.job.text, false);
}

void SimulatedWorker::end_coordination(const std::string& task, bool report_it) {
  const auto found = coordinations_.find(task);
  const Coordination coordination = std::move(found->second);
  coordinations_.erase(found);
  pull();
  if (!report_it) return;
  const std::string end = coordination.spec.at("end");
  if (end == "crash once" && coordination.job.attempt == 1) {
    report(coordination.job, Outcome::crashed, "as planned");
  } else if (end == "fail" || end == "fail early") {
    report(coordination.job, Outcome::failed, "as planned");
  } else {
    report(coordination.job, Outcome::succeeded, "");
  }
}

}  // namespace ns::torture
