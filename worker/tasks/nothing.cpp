// nothing: trials that do nothing, or wait, so that operators can measure what a deployment's queue carries and see how
// it behaves under load. Everything but the trial itself is as in any other task.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/error.h"
#include "common/limits.h"
#include "common/task_spec.h"
#include "worker/tasks/task_kind.h"

namespace ns::worker::tasks {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kGlance = 20ms;  // between two looks at whether a waiting trial is to stop

struct NothingSpec {
  std::uint32_t trials = 1000;
  std::size_t parameter_bytes = 0;
  std::size_t result_bytes = 0;
  std::chrono::milliseconds duration{0};
};

std::uint64_t number_of(const json& spec, const char* field, std::uint64_t otherwise, std::uint64_t most) {
  const std::uint64_t number = spec.value(field, otherwise);
  if (number <= most) return number;
  throw Error(ErrorCode::invalid, fmt::format("{}: {} should be at most {}", field, number, most), field);
}

NothingSpec read_spec(const std::string& text) {
  try {
    const json parsed = json::parse(text);
    if (parsed.at("kind") != "nothing") throw Error(ErrorCode::invalid, "kind: should be \"nothing\"", "kind");
    if (parsed.contains("strategy"))
      throw Error(ErrorCode::invalid, "strategy: a task of kind nothing has none", "strategy.name");
    NothingSpec spec;
    spec.trials = static_cast<std::uint32_t>(number_of(parsed, "trials", spec.trials, limits::kMaxTrials));
    spec.parameter_bytes = number_of(parsed, "parameter_bytes", 0, limits::kMaxParametersBytes / 4);
    spec.result_bytes = number_of(parsed, "result_bytes", 0, limits::kMaxParametersBytes / 4);
    spec.duration = parse_duration(parsed.value("duration", "0s"), "duration");
    return spec;
  } catch (const json::exception& failure) {
    throw Error(ErrorCode::invalid,
                fmt::format("the spec of a task that does nothing cannot be read: {}", failure.what()));
  }
}

// JSON text of so many bytes, or of what the fields need when that is more.
std::string padded(json value, std::size_t bytes) {
  value["padding"] = "";
  const std::size_t least = value.dump().size();
  if (bytes > least) value["padding"] = std::string(bytes - least, 'x');
  return value.dump();
}

class NothingSearch final : public Search {
 public:
  explicit NothingSearch(NothingSpec spec) : spec_(spec) {}

  // One round: there is nothing to learn from one trial for the next.
  std::vector<std::string> next_round(const std::optional<std::string>& stop) override {
    std::vector<std::string> round;
    if (stop) why_ended_ = *stop;
    if (stop || asked_) return round;
    asked_ = true;
    round.reserve(spec_.trials);
    for (std::uint32_t number = 0; number < spec_.trials; ++number)
      round.push_back(padded({{"number", number}}, spec_.parameter_bytes));
    return round;
  }

  void tell(const FinishedTrial& trial) override {
    ++told_;
    if (trial.state == TrialState::succeeded) ++succeeded_;
  }

  bool may_be_cut_short() const override { return true; }
  std::uint32_t planned() const override { return spec_.trials; }
  std::optional<Standing> best() const override { return std::nullopt; }

  std::string result(Workplace&) override {
    json result = {{"met", told_ == spec_.trials && succeeded_ == told_},
                   {"trials", told_},
                   {"summary", fmt::format("{} of {} trials did nothing, as asked", succeeded_, spec_.trials)},
                   {"table", {{"columns", json::array()}, {"rows", json::array()}}},
                   {"artifacts", json::object()}};
    if (!why_ended_.empty()) result["details"] = {{"ended", why_ended_}};
    return result.dump();
  }

 private:
  NothingSpec spec_;
  bool asked_ = false;
  std::uint32_t told_ = 0, succeeded_ = 0;
  std::string why_ended_;
};

class NothingRunner final : public Runner {
 public:
  TrialResult run(const Trial& trial, Workplace& workplace) override {
    if (trial.spec != text_ || result_.empty()) {  // trials of one task come one after the other
      spec_ = read_spec(trial.spec);
      text_ = trial.spec;
      result_ = padded({{"metrics", json::object()}}, spec_.result_bytes);
    }
    const auto end = std::chrono::steady_clock::now() + spec_.duration;
    while (spec_.duration > 0ms && std::chrono::steady_clock::now() < end) {
      if (workplace.stopped()) return {Outcome::cancelled, {}, "stopped"};
      std::this_thread::sleep_until(std::min(end, std::chrono::steady_clock::now() + kGlance));
    }
    return {Outcome::succeeded, result_, {}};
  }

 private:
  std::string text_;  // of spec_
  NothingSpec spec_;
  std::string result_;
};

}  // namespace

CheckedTask check_nothing(const TaskId&, const std::string& text, Workplace&) {
  const NothingSpec spec = read_spec(text);
  return {std::make_unique<NothingSearch>(spec), fmt::format("{} trials that do nothing", spec.trials)};
}

std::unique_ptr<Runner> make_nothing_runner() { return std::make_unique<NothingRunner>(); }

}  // namespace ns::worker::tasks
