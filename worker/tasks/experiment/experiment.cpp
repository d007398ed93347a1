// experiment: a search space, a command that is run once a configuration, and the metric that it reports, by NNI's
// local-file protocol: the command finds its parameters in parameter.cfg and appends metrics to .nni/metrics of its
// folder (NNI_SYS_DIR). An unmodified `import nni` script works; so does a shell script.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/limits.h"
#include "worker/tasks/experiment/command.h"
#include "worker/tasks/experiment/metric_file.h"
#include "worker/tasks/task_kind.h"
#include "worker/tuning/tuner.h"

namespace ns::worker::tasks {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct ExperimentSpec {
  std::vector<std::string> command;
  std::map<std::string, ArtifactId> files;  // by name in the trial's folder
  std::string space;                        // JSON text
  std::string metric = "default";
  bool maximize = true;
  std::string strategy;
  std::uint32_t max_trials = 40;
  std::uint64_t seed = 0;
};

// A name that a trial's folder may have: nothing that leads out of it or hides the protocol's own files.
void check_file_name(const std::string& name) {
  const bool leads_out = name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
                         name.find('\0') != std::string::npos || name.size() > 255;
  if (leads_out || name == ".nni" || name == "parameter.cfg") {
    throw Error(
        ErrorCode::invalid,
        fmt::format("files: \"{}\" should be a plain file name (no slash, not \"..\", \".nni\" or \"parameter.cfg\")",
                    name),
        "files");
  }
}

ExperimentSpec read_spec(const std::string& text) {
  try {
    const json parsed = json::parse(text);
    const json empty = json::object();
    ExperimentSpec spec;
    spec.command = parsed.at("command").get<std::vector<std::string>>();
    if (spec.command.empty() || spec.command[0].empty()) {
      throw Error(ErrorCode::invalid, "command: should be a list that begins with a program", "command");
    }
    const json files = parsed.value("files", empty);
    for (const auto& [name, artifact] : files.items()) {
      check_file_name(name);
      spec.files[name].text = artifact.get<std::string>();
    }
    spec.space = parsed.at("search_space").dump();
    spec.metric = parsed.value("metric", empty).value("name", "default");
    spec.maximize = parsed.value("metric", empty).value("goal", "maximize") == "maximize";
    spec.strategy = parsed.value("strategy", empty).value("name", "random");
    spec.max_trials = parsed.value("stop", empty).value("max_trials", 40u);
    spec.seed = parsed.value("seed", std::uint64_t{0});
    return spec;
  } catch (const json::exception& failure) {
    throw Error(ErrorCode::invalid, fmt::format("the spec of an experiment cannot be read: {}", failure.what()));
  }
}

json parsed_object(const std::string& text) {
  json value = json::parse(text, nullptr, false);
  return value.is_object() ? value : json::object();
}

// ---- coordinator side

class ExperimentSearch final : public Search {
 public:
  explicit ExperimentSearch(ExperimentSpec spec, const std::string& text) : spec_(std::move(spec)), text_(text) {
    tuning::TunerOptions options;
    options.seed = spec_.seed;
    options.space = parse_search_space(spec_.space);
    tuner_ = tuning::find_tuner(spec_.strategy, true).make(options);
  }

  std::vector<std::string> next_round(const std::optional<std::string>& stop) override {
    if (stop) {
      why_ended_ = *stop;
      return {};
    }
    std::vector<std::string> round = tuner_->ask(spec_.max_trials - std::min(spec_.max_trials, proposed_));
    if (round.empty() && proposed_ < spec_.max_trials) why_ended_ = "the search space is explored";
    proposed_ += static_cast<std::uint32_t>(round.size());
    for (std::string& proposal : round) proposal = json{{"parameters", json::parse(proposal)}}.dump();
    return round;
  }

  void tell(const FinishedTrial& trial) override {
    const json metrics = parsed_object(trial.result).value("metrics", json::object());
    const auto value = metrics.find(spec_.metric);
    tuning::Observation observation;
    observation.proposal = trial.number;
    observation.completed = trial.state == TrialState::succeeded && value != metrics.end() && value->is_number();
    json entry = {{"trial", trial.number},
                  {"state", to_text(trial.state)},
                  {"parameters", parsed_object(trial.parameters).value("parameters", json::object())}};
    if (!metrics.empty()) entry["metrics"] = metrics;
    if (!trial.error.empty()) entry["error"] = trial.error;
    if (observation.completed) {
      const double found = value->get<double>();
      observation.value = spec_.maximize ? -found : found;
      if (!best_ || observation.value < best_value_) {
        best_value_ = observation.value;
        best_ = entry;
      }
      ++succeeded_;
    } else if (!trial.error.empty()) {
      last_error_ = trial.error;
    }
    history_.push_back(std::move(entry));
    tuner_->tell(observation);
  }

  bool may_be_cut_short() const override { return true; }

  std::uint32_t planned() const override { return why_ended_.empty() ? spec_.max_trials : proposed_; }

  std::optional<Standing> best() const override {
    if (!best_) return std::nullopt;
    return Standing{best_->at("trial").get<std::uint32_t>(), summary_of_best(), best_->at("metrics").dump()};
  }

  std::string result(Workplace& workplace) override {
    json result = {{"met", best_.has_value()}, {"trials", history_.size()}};
    if (best_) {
      result["summary"] = fmt::format("best {} (trial {} of {})", summary_of_best(),
                                      best_->at("trial").get<std::uint32_t>(), history_.size());
      result["best_trial"] = best_->at("trial");
      result["configuration"] = best_->at("parameters");
      json rows = json::array();
      for (const auto& [name, value] : best_->at("metrics").items()) rows.push_back({name, value.dump()});
      for (const auto& [name, value] : best_->at("parameters").items()) rows.push_back({name, value.dump()});
      result["table"] = {{"columns", {"", "best"}}, {"rows", rows}};
    } else {
      result["summary"] = fmt::format("none of {} trials reported {}{}", history_.size(), spec_.metric,
                                      last_error_.empty() ? "" : "; the last said: " + last_error_);
    }
    result["details"] = {{"succeeded", succeeded_}, {"ended", why_ended_.empty() ? "stop.max_trials" : why_ended_}};
    const json report = {
        {"result", result}, {"spec", parsed_object(text_)}, {"seed", spec_.seed}, {"trials", history_}};
    result["artifacts"] = {{"report.json", workplace.store(report.dump(1)).text}};
    return result.dump();
  }

 private:
  std::string summary_of_best() const {
    return fmt::format("{} = {}", spec_.metric, best_->at("metrics").at(spec_.metric).dump());
  }

  ExperimentSpec spec_;
  std::string text_;
  std::unique_ptr<tuning::Tuner> tuner_;
  std::uint32_t proposed_ = 0;
  std::uint32_t succeeded_ = 0;
  std::optional<json> best_;
  double best_value_ = 0;
  std::string why_ended_, last_error_;
  json history_ = json::array();
};

// ---- runner side

void write_whole(const fs::path& file, const std::string& text) {
  const fs::path temporary = file.string() + ".new";
  std::ofstream out(temporary, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw Error(ErrorCode::unavailable, fmt::format("{} cannot be written", file.string()));
  fs::rename(temporary, file);
}

class ExperimentRunner final : public Runner {
 public:
  TrialResult run(const Trial& trial, Workplace& workplace) override {
    const ExperimentSpec spec = read_spec(trial.spec);
    const fs::path folder = workplace.scratch(fmt::format("{}-{}", trial.task.text, trial.number));
    try {
      TrialResult result = run_in(folder, spec, trial, workplace);
      fs::remove_all(folder);
      return result;
    } catch (...) {
      std::error_code ignored;
      fs::remove_all(folder, ignored);
      throw;
    }
  }

 private:
  static TrialResult run_in(const fs::path& folder, const ExperimentSpec& spec, const Trial& trial,
                            Workplace& workplace) {
    lay_in(folder, spec, trial, workplace);
    MetricFile metrics(folder / ".nni" / "metrics");
    std::optional<json> final_metrics;
    std::string wrong;  // why what the command reports cannot be used
    const auto tick = [&] {
      if (!wrong.empty()) return false;
      try {
        for (const ReportedMetric& metric : metrics.read()) {
          if (!metric.final)
            workplace.report(json{{"sequence", metric.sequence}, {"metrics", json::parse(metric.value)}}.dump());
          else if (!final_metrics)
            final_metrics = json::parse(metric.value);  // the first counts
        }
      } catch (const Error& failure) {
        wrong = failure.what();
      }
      return wrong.empty() && !workplace.stopped();
    };
    const CommandEnd end = run_command(command_of(folder, spec, trial), folder / "output.log", tick);
    return judge(spec, end, final_metrics, wrong);
  }

  static void lay_in(const fs::path& folder, const ExperimentSpec& spec, const Trial& trial, Workplace& workplace) {
    fs::create_directory(folder / ".nni");
    write_whole(folder / ".nni" / "metrics", "");
    for (const auto& [name, artifact] : spec.files) {
      const CachedFile file = workplace.artifact(artifact);
      fs::copy_file(file.path(), folder / name);
      ::chmod((folder / name).c_str(), 0755);  // a script among the files can be the command
    }
    const json parameters = parsed_object(trial.parameters).value("parameters", json::object());
    write_whole(folder / "parameter.cfg", json{{"parameter_id", trial.number},
                                               {"parameter_source", "algorithm"},
                                               {"parameters", parameters},
                                               {"parameter_index", 0}}
                                              .dump());
  }

  static Command command_of(const fs::path& folder, const ExperimentSpec& spec, const Trial& trial) {
    Command command;
    command.arguments = spec.command;
    command.folder = folder;
    command.environment = {{"NNI_PLATFORM", "local"},
                           {"NNI_EXP_ID", trial.task.text},
                           {"NNI_TRIAL_JOB_ID", trial_job_id(trial.task, trial.number).text},
                           {"NNI_TRIAL_SEQ_ID", std::to_string(trial.number)},
                           {"NNI_SYS_DIR", folder.string()},
                           {"NNI_OUTPUT_DIR", folder.string()},
                           {"NNI_CODE_DIR", folder.string()}};
    command.unset = {"REUSE_MODE", "MULTI_PHASE", "NNI_TRIAL_COMMAND_CHANNEL"};
    return command;
  }

  static TrialResult judge(const ExperimentSpec& spec, const CommandEnd& end, const std::optional<json>& metrics,
                           const std::string& wrong) {
    const std::string said = end.last_lines.empty() ? "" : "; it said last:\n" + end.last_lines;
    if (!end.start_error.empty()) {
      return {
          Outcome::failed, {}, fmt::format("command: \"{}\" cannot be started: {}", spec.command[0], end.start_error)};
    }
    if (!wrong.empty()) return {Outcome::failed, {}, wrong + said};
    if (end.stopped) return {Outcome::cancelled, {}, "stopped"};
    if (end.signal != 0) {
      const char* name = ::sigabbrev_np(end.signal);
      return {
          Outcome::crashed,
          {},
          fmt::format("the command was ended by signal {} (SIG{}){}", end.signal, name == nullptr ? "?" : name, said)};
    }
    if (end.exit_code != 0)
      return {Outcome::failed, {}, fmt::format("the command ended with status {}{}", end.exit_code, said)};
    if (!metrics) return {Outcome::failed, {}, "the command ended without reporting a final metric" + said};
    if (!metrics->contains(spec.metric)) {
      return {
          Outcome::failed, {}, fmt::format("the final metric has no finite \"{}\": {}", spec.metric, metrics->dump())};
    }
    return {
        Outcome::succeeded,
        json{{"summary", fmt::format("{} = {}", spec.metric, metrics->at(spec.metric).dump())}, {"metrics", *metrics}}
            .dump(),
        {}};
  }
};

}  // namespace

CheckedTask check_experiment(const TaskId&, const std::string& text, Workplace& workplace) {
  ExperimentSpec spec = read_spec(text);
  auto search = std::make_unique<ExperimentSearch>(spec, text);
  for (const auto& [name, artifact] : spec.files) {
    try {
      workplace.artifact(artifact);
    } catch (const Error& failure) {
      throw Error(failure.code(), fmt::format("files.{}: {}", name, failure.what()), "files." + name);
    }
  }
  return {std::move(search), fmt::format("up to {} trials of {}", spec.max_trials, spec.command[0])};
}

std::unique_ptr<Runner> make_experiment_runner() { return std::make_unique<ExperimentRunner>(); }

}  // namespace ns::worker::tasks
