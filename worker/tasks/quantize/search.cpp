#include "worker/tasks/quantize/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "worker/tasks/quantize/material.h"

namespace ns::worker::tasks {
namespace {

using nlohmann::json;

constexpr std::uint32_t kMostFinishes = 3;  // candidates that look accepted but are not when measured for good
constexpr double kSameWorth = 0.03;         // objectives this close are one: measured times are never equal

json parsed(const std::string& text) {
  json value = json::parse(text, nullptr, false);
  return value.is_object() ? value : json::object();
}

double number(const json& object, const char* key, double fallback = std::nan("")) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : fallback;
}

std::string percent(double value) { return fmt::format("{:.2f} %", 100 * value); }

std::string bytes(double value) {
  if (value >= 1 << 20) return fmt::format("{:.2f} MiB", value / (1 << 20));
  if (value >= 1 << 10) return fmt::format("{:.1f} KiB", value / (1 << 10));
  return fmt::format("{:.0f} B", value);
}

json ratio_row(const std::string& name, const json& fp32, const json& int8, const char* key, const char* unit,
               int digits) {
  const double before = number(fp32, key, 0), after = number(int8, key, 0);
  const std::string ratio = before > 0 && after > 0 ? fmt::format("{:.2f}x", after / before) : "";
  return {name, fmt::format("{:.{}f}{}", before, digits, unit), fmt::format("{:.{}f}{}", after, digits, unit), ratio};
}

json table(const std::string& metric, const json& fp32, const json& int8) {
  const double before = number(fp32, "accuracy"), after = number(int8, "accuracy");
  const double size_before = number(fp32, "size_bytes", 0), size_after = number(int8, "size_bytes", 0);
  json rows = json::array();
  rows.push_back({fmt::format("accuracy ({})", metric), percent(before), percent(after),
                  fmt::format("{:+.2f} points", 100 * (after - before))});
  rows.push_back(ratio_row("latency median", fp32, int8, "latency_ms", " ms", 4));
  rows.push_back(ratio_row("latency p99", fp32, int8, "latency_p99_ms", " ms", 4));
  rows.push_back(ratio_row("throughput", fp32, int8, "throughput", " /s", 0));
  rows.push_back({"size", bytes(size_before), bytes(size_after),
                  size_before > 0 ? fmt::format("{:.2f}x", size_after / size_before) : ""});
  return {{"columns", {"", "fp32", "int8", "ratio"}}, {"rows", rows}};
}

std::string_view name_of(Objective objective) {
  return objective == Objective::latency ? "latency" : objective == Objective::throughput ? "throughput" : "size";
}

}  // namespace

struct QuantizeSearch::Candidate {
  std::uint32_t trial = 0;
  json float_nodes;
  json metrics;
  std::string summary;
  bool meets = false;
  bool accepted = false;
  bool rejected = false;  // finished, and found wanting
};

QuantizeSearch::QuantizeSearch(QuantizeSpec spec)
    : spec_(std::move(spec)), history_(std::make_unique<json>(json::array())) {
  tuning::TunerOptions options;
  options.seed = spec_.seed;
  tuner_ = tuning::find_tuner(spec_.strategy, false).make(options);
}

QuantizeSearch::~QuantizeSearch() = default;

std::vector<std::string> QuantizeSearch::next_round(const std::optional<std::string>& stop) {
  if (phase_ == Phase::baseline) return {json{{"action", "baseline"}}.dump()};
  if (phase_ == Phase::searching) {
    const std::uint32_t left = spec_.max_trials - std::min(spec_.max_trials, proposed_);
    std::vector<std::string> round;
    if (stop)
      why_ended_ = *stop;
    else if (left == 0)
      why_ended_ = fmt::format("after stop.max_trials ({}) configurations", spec_.max_trials);
    else
      round = tuner_->ask(left);
    proposed_ += static_cast<std::uint32_t>(round.size());
    for (std::string& proposal : round) {
      json parameters = json::parse(proposal);
      parameters["action"] = "try";
      parameters["fp32_accuracy"] = number(baseline_->at("metrics"), "accuracy");
      proposal = parameters.dump();
    }
    if (!round.empty()) return round;
    phase_ = Phase::finishing;
  }
  if (phase_ == Phase::finishing) {
    std::string parameters = finish_parameters();
    if (!parameters.empty()) return {std::move(parameters)};
    phase_ = Phase::ended;
  }
  return {};
}

std::string QuantizeSearch::finish_parameters() {
  if (finishes_ >= kMostFinishes) return {};
  const Candidate* candidate = chosen();
  if (candidate == nullptr && finishes_ == 0) candidate = best_seen();  // its honest numbers are still worth having
  if (candidate == nullptr) return {};
  ++finishes_;
  finished_candidate_ = candidate->trial;
  return json{{"action", "finish"}, {"float_nodes", candidate->float_nodes}, {"of_trial", candidate->trial}}.dump();
}

void QuantizeSearch::tell(const FinishedTrial& trial) {
  ++trials_;
  const json result = parsed(trial.result);
  json entry = {{"trial", trial.number}, {"state", to_text(trial.state)}, {"parameters", parsed(trial.parameters)}};
  if (result.contains("metrics")) entry["metrics"] = result["metrics"];
  if (!trial.error.empty()) entry["error"] = trial.error;
  history_->push_back(std::move(entry));
  if (phase_ == Phase::baseline)
    tell_baseline(trial);
  else if (phase_ == Phase::searching)
    tell_try(trial);
  else
    tell_finish(trial);
}

void QuantizeSearch::tell_baseline(const FinishedTrial& trial) {
  const json result = parsed(trial.result);
  if (trial.state != TrialState::succeeded) {
    throw Error(trial.state == TrialState::cancelled ? ErrorCode::cancelled : ErrorCode::internal,
                fmt::format("the model as it came could not be measured: {}",
                            trial.error.empty() ? std::string(to_text(trial.state)) : trial.error));
  }
  if (!std::isfinite(number(result.value("metrics", json::object()), "accuracy"))) {
    throw Error(ErrorCode::invalid, fmt::format("the model as it came has no {} on the evaluation data", spec_.metric),
                "data.evaluation");
  }
  baseline_ = std::make_unique<json>(result);
  first_try_ = trial.number + 1;
  phase_ = Phase::searching;
}

bool QuantizeSearch::fast_enough(double speedup) const {
  return spec_.objective != Objective::latency || spec_.allow_slower || speedup >= 1;
}

void QuantizeSearch::tell_try(const FinishedTrial& trial) {
  tuning::Observation observation;
  observation.proposal = trial.number - first_try_;
  observation.completed = trial.state == TrialState::succeeded;
  observation.meets_criterion = observation.accepted = false;
  if (observation.completed) {
    const json result = parsed(trial.result);
    const json details = result.value("details", json::object());
    Candidate candidate;
    candidate.trial = trial.number;
    candidate.float_nodes = parsed(trial.parameters).value("float_nodes", json::array());
    candidate.metrics = result.value("metrics", json::object());
    candidate.summary = result.value("summary", "");
    const double accuracy = number(candidate.metrics, "accuracy");
    candidate.meets = !details.value("gave_up", false) &&
                      spec_.criterion.meets(accuracy, number(baseline_->at("metrics"), "accuracy"));
    candidate.accepted = candidate.meets && fast_enough(number(candidate.metrics, "speedup", 0));
    observation.meets_criterion = candidate.meets;
    observation.accepted = candidate.accepted;
    observation.value = -worth(candidate);
    observation.details = details.dump();
    candidates_.push_back(std::move(candidate));
  }
  tuner_->tell(observation);
}

void QuantizeSearch::tell_finish(const FinishedTrial& trial) {
  const auto candidate = std::find_if(candidates_.begin(), candidates_.end(),
                                      [&](const Candidate& entry) { return entry.trial == finished_candidate_; });
  candidate->rejected = true;  // unless what follows says otherwise
  if (trial.state != TrialState::succeeded) {
    shortfalls_.push_back(
        fmt::format("the finishing trial {} {}: {}", trial.number, to_text(trial.state), trial.error));
    return;
  }
  json result = parsed(trial.result);
  const json details = result.value("details", json::object());
  const json fp32 = details.value("fp32", json::object()), int8 = details.value("int8", json::object());
  const double before = number(fp32, "accuracy"), after = number(int8, "accuracy");
  const double speedup = number(fp32, "latency_ms", 0) / number(int8, "latency_ms", 1);
  const bool accurate = spec_.criterion.meets(after, before), fast = fast_enough(speedup);
  if (!accurate) {
    shortfalls_.push_back(fmt::format("{} of {} where at least {} was wanted", spec_.metric, percent(after),
                                      percent(spec_.criterion.threshold(before))));
  }
  if (!fast) shortfalls_.push_back(fmt::format("slower than fp32 ({:.2f}x)", speedup));
  met_ = accurate && fast;
  finished_ = std::make_unique<json>(std::move(result));
  best_trial_ = finished_candidate_;
  candidate->rejected = !met_;
  if (met_) phase_ = Phase::ended;
}

double QuantizeSearch::worth(const Candidate& candidate) const {
  switch (spec_.objective) {
    case Objective::latency:
      return number(candidate.metrics, "speedup", 0);
    case Objective::throughput:
      return number(candidate.metrics, "throughput", 0);
    case Objective::size:
      return 1e9 / std::max(1.0, number(candidate.metrics, "size_bytes", 1e18));
  }
  return 0;
}

QuantizeSearch::Candidate* QuantizeSearch::chosen() {
  double most = 0;
  for (const Candidate& candidate : candidates_) {
    if (candidate.accepted && !candidate.rejected) most = std::max(most, worth(candidate));
  }
  // Among those that are as good as the best, the one with the least in float.
  Candidate* choice = nullptr;
  for (Candidate& candidate : candidates_) {
    if (!candidate.accepted || candidate.rejected || worth(candidate) < most * (1 - kSameWorth)) continue;
    if (choice == nullptr || candidate.float_nodes.size() < choice->float_nodes.size()) choice = &candidate;
  }
  return choice;
}

const QuantizeSearch::Candidate* QuantizeSearch::best_seen() const {
  const Candidate* choice = nullptr;
  const auto better = [&](const Candidate& left, const Candidate& right) {
    if (left.meets != right.meets) return left.meets;
    if (left.meets) return worth(left) > worth(right);
    const double difference = number(left.metrics, "accuracy", 0) - number(right.metrics, "accuracy", 0);
    return spec_.criterion.higher_is_better ? difference > 0 : difference < 0;
  };
  for (const Candidate& candidate : candidates_) {
    if (!candidate.rejected && (choice == nullptr || better(candidate, *choice))) choice = &candidate;
  }
  return choice;
}

std::uint32_t QuantizeSearch::planned() const {
  if (phase_ == Phase::ended) return trials_;
  if (phase_ == Phase::finishing) return trials_ + 1;
  return std::min(spec_.max_trials, std::max(proposed_ + 1, 4u)) + 2;
}

std::optional<Standing> QuantizeSearch::best() const {
  const Candidate* candidate = const_cast<QuantizeSearch*>(this)->chosen();
  if (candidate == nullptr) candidate = best_seen();
  if (candidate == nullptr) return std::nullopt;
  return Standing{candidate->trial, candidate->summary, candidate->metrics.dump()};
}

json QuantizeSearch::report(const json& result) const {
  return {{"result", result},
          {"spec", parsed(spec_.text)},
          {"seed", spec_.seed},
          {"baseline", *baseline_},
          {"finish", finished_ ? *finished_ : json()},
          {"trials", *history_},
          {"shortfalls", shortfalls_}};
}

std::string QuantizeSearch::result(Workplace& workplace) {
  json result = {{"met", met_}, {"trials", trials_}, {"artifacts", json::object()}, {"details", json::object()}};
  if (!finished_) {
    const std::string reason = !history_->empty() && history_->back().contains("error")
                                   ? history_->back()["error"].get<std::string>()
                                   : why_ended_;
    result["summary"] = fmt::format("no configuration could be measured{}", reason.empty() ? "" : ": " + reason);
    result["artifacts"]["report.json"] = workplace.store(report(result).dump(1)).text;
    return result.dump();
  }
  const json& details = finished_->at("details");
  const json &fp32 = details.at("fp32"), &int8 = details.at("int8");
  const double speedup = number(fp32, "latency_ms", 0) / number(int8, "latency_ms", 1);
  const std::string numbers = fmt::format("{} {} (fp32 {}), {:.2f}x as fast, {} (fp32 {})", spec_.metric,
                                          percent(number(int8, "accuracy")), percent(number(fp32, "accuracy")), speedup,
                                          bytes(number(int8, "size_bytes", 0)), bytes(number(fp32, "size_bytes", 0)));
  json int8_nodes = json::array(), float_nodes = json::array();
  for (const json& node : details.at("nodes"))
    (node.at("type") == "int8" ? int8_nodes : float_nodes).push_back(node.at("node"));
  if (met_) {
    result["summary"] = fmt::format("int8 model found: {}", numbers);
  } else {
    result["summary"] =
        fmt::format("no configuration met the criterion{}; best seen: {}{}", why_ended_.empty() ? "" : " " + why_ended_,
                    numbers, shortfalls_.empty() ? "" : fmt::format(" [{}]", fmt::join(shortfalls_, "; ")));
  }
  result["best_trial"] = best_trial_;
  result["table"] = table(spec_.metric, fp32, int8);
  result["configuration"] = {{"int8", int8_nodes},
                             {"float", float_nodes},
                             {"activation", spec_.activation == quantize::ActivationType::int8 ? "int8" : "uint8"},
                             {"bias", spec_.bias == quantize::BiasType::float32 ? "float32" : "int32"}};
  result["details"] = {{"fp32", fp32},
                       {"int8", int8},
                       {"speedup", speedup},
                       {"objective", name_of(spec_.objective)},
                       {"int8_kernels", details.at("int8_kernels").size()},
                       {"environment", details.at("environment")}};
  // A model that misses what was asked for does not get the name under which one that meets it is handed over.
  result["artifacts"][met_ ? "model.onnx" : "best_seen.onnx"] = finished_->at("artifacts").at("model.onnx");
  result["artifacts"]["report.json"] = workplace.store(report(result).dump(1)).text;
  return result.dump();
}

CheckedTask check_quantize(const TaskId&, const std::string& text, Workplace& workplace) {
  QuantizeSpec spec = read_quantize_spec(text);
  auto search = std::make_unique<QuantizeSearch>(spec);  // first: refuses an unknown strategy at no cost
  const Material material(spec, workplace);
  material.check();
  return {std::move(search),
          fmt::format("{} operators, {} can be int8; {} calibration and {} evaluation samples",
                      material.fp32()->nodes.size(), quantize::quantizable_nodes(*material.source()).size(),
                      material.calibration_set().size(), material.evaluation_set().size())};
}

}  // namespace ns::worker::tasks
