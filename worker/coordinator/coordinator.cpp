#include "worker/coordinator/coordinator.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/error.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/task_spec.h"

namespace ns::worker {
namespace {

using nlohmann::json;

constexpr std::uint32_t kWait = 1000;  // ms of one look at the events; how soon a stop or the time-out is noticed
// Where many trials are under way, their events are looked at many at a time.
constexpr std::size_t kBulk = 256;
constexpr std::chrono::milliseconds kForCompany{5};

std::string text_of(const json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

// What every kind's spec has in common, as far as coordinating goes.
struct Policy {
  std::chrono::milliseconds timeout{0};  // of the search; 0: none
  NewTrial limits;                       // number and parameters left open
};

Policy read_policy(const std::string& spec) {
  Policy policy;
  const json parsed = json::parse(spec, nullptr, false);
  if (!parsed.is_object()) throw Error(ErrorCode::invalid, "the task's spec is not a JSON object");
  const json stop = parsed.value("stop", json::object()), limits = parsed.value("limits", json::object());
  if (stop.contains("timeout")) policy.timeout = parse_duration(text_of(stop["timeout"]), "stop.timeout");
  if (limits.contains("trial_time")) {
    policy.limits.time_limit_ms =
        static_cast<std::uint64_t>(parse_duration(text_of(limits["trial_time"]), "limits.trial_time").count());
  }
  if (limits.contains("memory"))
    policy.limits.memory_limit_bytes = parse_bytes(text_of(limits["memory"]), "limits.memory");
  return policy;
}

bool state_of_event(const std::string& type, TrialState& state) {
  if (type == "trial.succeeded")
    state = TrialState::succeeded;
  else if (type == "trial.failed")
    state = TrialState::failed;
  else if (type == "trial.early_stopped")
    state = TrialState::early_stopped;
  else if (type == "trial.cancelled")
    state = TrialState::cancelled;
  else
    return false;
  return true;
}

std::string error_of(const std::string& body) {
  const json parsed = json::parse(body, nullptr, false);
  return parsed.is_object() && parsed.contains("error") ? text_of(parsed["error"]) : body;
}

class Coordinator {
 public:
  Coordinator(const TaskId& task, const std::string& spec, TaskQueue& queue, tasks::Workplace& workplace)
      : task_(task), spec_(spec), policy_(read_policy(spec)), queue_(queue), workplace_(workplace) {}

  std::string run(const tasks::TaskKind& kind) {
    tasks::CheckedTask checked = kind.check(task_, spec_, workplace_);
    search_ = std::move(checked.search);
    take_over();
    if (!checked_before_) queue_.append_event("task.checked", json{{"summary", checked.summary}}.dump());
    while (run_round()) {
    }
    return search_->result(workplace_);
  }

 private:
  struct Record {
    bool known = false;  // enqueued, by us or before us
    bool ended = false;
    std::string parameters;
    tasks::FinishedTrial trial;  // when it has ended; emptied when the search was told
  };

  // REQUIRES: a number that the broker or the search gave.
  Record& record(std::uint32_t number) {
    if (number >= limits::kMaxTrials) {
      throw Error(ErrorCode::too_large, fmt::format("trial {}: a task may have {} trials", number, limits::kMaxTrials));
    }
    if (number >= records_.size()) records_.resize(number + 1);
    return records_[number];
  }

  // What is there already: nothing on a first start, the history after another coordinator died.
  void take_over() {
    for (TrialInfo& trial : queue_.trials()) {
      Record& known = record(trial.number);
      known.known = true;
      known.parameters = std::move(trial.parameters);
    }
    // How each ended is read from the history, where its first end counts: what the search was told then.
    for (std::string before; before != seen_;) {  // a page may be empty and yet not the last
      before = seen_;
      look(0);
    }
    const std::uint64_t started = queue_.task().started_ms;
    if (policy_.timeout.count() > 0 && started > 0)
      deadline_ms_ = started + static_cast<std::uint64_t>(policy_.timeout.count());
  }

  bool run_round() {
    const std::vector<std::string> round = search_->next_round(reason_to_stop());
    if (round.empty()) return false;
    first_ = next_number_;
    next_number_ += static_cast<std::uint32_t>(round.size());
    left_ = 0;
    for (std::uint32_t number = first_; number < next_number_; ++number) left_ += !record(number).ended;
    const bool fresh = left_ > 0;  // otherwise it is history, and was announced
    enqueue(round);
    wait_for_round();
    for (std::uint32_t number = first_; number < next_number_; ++number) {
      search_->tell(records_[number].trial);
      records_[number].trial = {};
      records_[number].parameters.clear();
    }
    if (fresh) announce();
    return true;
  }

  // Where the search was told to stop is part of its history: a takeover must tell it the same at the same trial.
  std::optional<std::string> reason_to_stop() {
    if (stop_at_ && next_number_ >= *stop_at_) return stop_reason_;
    const bool known = next_number_ < records_.size() && records_[next_number_].known;
    if (stop_at_ || known || !time_is_up(queue_.now_ms())) return std::nullopt;
    stop_at_ = next_number_;
    stop_reason_ = fmt::format("within stop.timeout ({} s)", static_cast<double>(policy_.timeout.count()) / 1000);
    json progress = {{"done", next_number_}, {"planned", std::max(search_->planned(), next_number_)}};
    progress["summary"] = "time is up; finishing with what was found";
    progress["stop"] = {{"at", *stop_at_}, {"reason", stop_reason_}};
    queue_.append_event("task.progress", progress.dump());
    return stop_reason_;
  }

  void recall_stop(const std::string& body) {
    const json progress = json::parse(body, nullptr, false);
    if (!progress.is_object() || !progress.contains("stop")) return;
    stop_at_ = progress["stop"].value("at", 0u);
    stop_reason_ = progress["stop"].value("reason", "");
  }

  void enqueue(const std::vector<std::string>& round) {
    std::vector<NewTrial> trials;
    for (std::size_t index = 0; index < round.size(); ++index) {
      const auto number = first_ + static_cast<std::uint32_t>(index);
      Record& known = record(number);
      if (known.known) {
        if (known.parameters != round[index])
          log::warning("trial {} of {} is on record with other parameters", number, task_.text);
        continue;
      }
      NewTrial trial = policy_.limits;
      trial.number = number;
      trial.parameters = round[index];
      if (trial.parameters.size() > limits::kMaxParametersBytes) {
        throw Error(ErrorCode::too_large,
                    fmt::format("the parameters of trial {} have {} bytes; at most {} are allowed", number,
                                trial.parameters.size(), limits::kMaxParametersBytes));
      }
      trials.push_back(std::move(trial));
    }
    if (trials.empty()) return;
    queue_.enqueue(trials);
    for (NewTrial& trial : trials) {
      Record& known = record(trial.number);
      known.known = true;
      known.parameters = std::move(trial.parameters);
    }
  }

  void wait_for_round() {
    bool told_to_stop = false;
    bool news = false;
    while (left_ > 0) {
      if (workplace_.stopped()) throw Error(ErrorCode::cancelled, "the coordinator was asked to stop");
      if (!told_to_stop && search_->may_be_cut_short() && time_is_up(news ? last_event_ms_ : queue_.now_ms())) {
        for (std::uint32_t number = first_; number < next_number_; ++number) {
          if (!records_[number].ended) queue_.stop_trial(number);
        }
        told_to_stop = true;
      }
      const std::size_t found = look(kWait);
      news = found > 0;
      if (news && found < kBulk && left_ > kBulk) std::this_thread::sleep_for(kForCompany);
    }
  }

  // Takes in what is new; how many events that was.
  std::size_t look(std::uint32_t wait_ms) {
    Events news = queue_.events(seen_, wait_ms);
    for (Event& event : news.events) take(event);
    if (!news.next.empty()) seen_ = std::move(news.next);
    if (news.ended && news.events.empty()) throw Error(ErrorCode::cancelled, "the task has ended");
    return news.events.size();
  }

  void take(Event& event) {
    last_event_ms_ = event.time_ms;
    if (event.type == "task.checked") checked_before_ = true;
    if (event.type == "task.progress") recall_stop(event.body);
    if (event.type == "trial.requeued") forget_cancelled(event.trial);
    TrialState state{};
    if (!state_of_event(event.type, state)) return;
    Record& known = record(event.trial);
    if (known.ended) return;
    known.ended = true;
    const bool succeeded = state == TrialState::succeeded;
    known.trial = {event.trial, state, known.parameters, succeeded ? std::move(event.body) : std::string(),
                   succeeded ? std::string() : error_of(event.body)};
    if (event.trial >= first_ && event.trial < next_number_) --left_;
  }

  // Trials are cancelled when their task ends: no coordinator told its search of it, and the task goes on after all.
  // The failure of a dead trial that was requeued stands: the search may have been told.
  void forget_cancelled(std::uint32_t number) {
    Record& known = record(number);
    if (!known.ended || known.trial.state != TrialState::cancelled) return;
    known.ended = false;
    if (number >= first_ && number < next_number_) ++left_;
  }

  bool time_is_up(std::uint64_t now_ms) const { return deadline_ms_ != 0 && now_ms >= deadline_ms_; }  // Redis time

  void announce() {
    const std::optional<tasks::Standing> best = search_->best();
    json progress = {{"done", next_number_}, {"planned", std::max(search_->planned(), next_number_)}};
    progress["summary"] = best ? "best so far: " + best->summary : fmt::format("{} trials ended", next_number_);
    queue_.append_event("task.progress", progress.dump());
    if (!best || best->trial == last_best_) return;
    last_best_ = best->trial;
    queue_.append_event(
        "task.best",
        json{{"trial", best->trial}, {"summary", best->summary}, {"metrics", json::parse(best->metrics)}}.dump());
  }

  const TaskId& task_;
  const std::string& spec_;
  Policy policy_;
  TaskQueue& queue_;
  tasks::Workplace& workplace_;
  std::unique_ptr<tasks::Search> search_;

  std::vector<Record> records_;                // by number
  std::uint32_t first_ = 0, next_number_ = 0;  // the round
  std::size_t left_ = 0;                       // of the round, not ended yet
  std::string seen_ = "0";
  std::uint64_t last_event_ms_ = 0;
  bool checked_before_ = false;
  std::uint64_t deadline_ms_ = 0;
  std::optional<std::uint32_t> stop_at_;  // from this trial on the search is asked to end
  std::string stop_reason_;
  std::optional<std::uint32_t> last_best_;
};

tasks::TrialResult failure_of(const Error& failure) {
  const json text = {{"code", entry_of(failure.code()).name}, {"message", failure.what()}, {"field", failure.field()}};
  Outcome outcome = Outcome::failed;
  if (failure.code() == ErrorCode::cancelled) outcome = Outcome::cancelled;
  if (failure.code() == ErrorCode::stale) outcome = Outcome::crashed;  // no longer ours; nobody will accept it
  return {outcome, {}, text.dump(-1, ' ', false, json::error_handler_t::replace)};
}

}  // namespace

tasks::TrialResult coordinate(const tasks::TaskKind& kind, const TaskId& task, const std::string& spec,
                              TaskQueue& queue, tasks::Workplace& workplace) {
  try {
    validate_spec(spec);
    return {Outcome::succeeded, Coordinator(task, spec, queue, workplace).run(kind), {}};
  } catch (const Error& failure) {
    return failure_of(failure);
  }
}

}  // namespace ns::worker
