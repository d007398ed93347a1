// onnx_backend DIR INDEX [--json]: a folder of ONNX backend tests through our engine; see suite.h for the layout.
//
// A test passes when the model loads, runs and its outputs agree, with the plain operators (the model as it is) and
// with the fast plan (simplified). A model that is refused as unsupported is skipped. Tests whose expectation is
// disputed are run and shown, but not counted.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"
#include "kernels/runtime/session.h"
#include "tests/conformance/isolated.h"
#include "tests/conformance/suite.h"

namespace {

using namespace ns;
using namespace ns::conformance;
namespace fs = std::filesystem;

struct Options {
  std::string folder, index, tolerance = "official";
  bool json = false, plain = true, fast = true;
  int seconds = 60;
};

struct Outcome {
  std::string what;  // "passed", "failed" or "skipped"
  std::string reason;
};

std::vector<graph::Tensor> run_session(const graph::Graph& model, const std::vector<graph::Tensor>& inputs,
                                       bool plain) {
  runtime::Session session(std::make_shared<const graph::Graph>(model), {.threads = 1, .plain = plain});
  std::vector<graph::Tensor> outputs = session.run(inputs);
  for (graph::Tensor& output : outputs) output = output.clone();
  return outputs;
}

std::vector<graph::Tensor> plain_engine(const graph::Graph& model, const std::vector<graph::Tensor>& inputs) {
  return run_session(model, inputs, true);
}

std::vector<graph::Tensor> fast_engine(const graph::Graph& model, const std::vector<graph::Tensor>& inputs) {
  return run_session(model, inputs, false);
}

// As ONNX Runtime's own run of these tests allows.
Tolerance relaxed(const Row& row) {
  Tolerance tolerance = row.tolerance;
  tolerance.absolute = std::max(tolerance.absolute, 1e-5);
  if (row.operator_under_test.rfind("DFT", 0) == 0) tolerance.absolute = 1e-3;
  if (row.operator_under_test.rfind("STFT", 0) == 0) tolerance.absolute = 1e-4;
  return tolerance;
}

std::string first_difference(const Row& row, const Options& options) {
  const fs::path test = fs::path(options.folder) / row.category / row.test;
  const Tolerance tolerance = options.tolerance == "relaxed" ? relaxed(row) : row.tolerance;
  graph::Graph model = onnx::read_file(test / "model.onnx");
  if (options.plain) {
    const std::string what = difference_to_expected(test, model, plain_engine, tolerance);
    if (!what.empty()) return "plain: " + what;
  }
  if (!options.fast) return {};
  passes::simplify(model);
  const std::string what = difference_to_expected(test, model, fast_engine, tolerance);
  return what.empty() ? what : "fast: " + what;
}

Outcome run(const Row& row, const Options& options) {
  try {
    std::string what = first_difference(row, options);
    return what.empty() ? Outcome{"passed", {}} : Outcome{"failed", std::move(what)};
  } catch (const Error& error) {
    const bool refused = error.code() == ErrorCode::unsupported;
    return {refused ? "skipped" : "failed", fmt::format("{}: {}", entry_of(error.code()).name, error.what())};
  } catch (const std::exception& error) {
    return {"failed", fmt::format("an exception that is not ours: {}", error.what())};
  }
}

std::string to_line(const Outcome& outcome) { return outcome.what + "\t" + outcome.reason; }

Outcome from_line(const std::string& line) {
  const std::size_t tab = line.find('\t');
  return {line.substr(0, tab), line.substr(tab + 1)};
}

std::vector<Outcome> run_all(const std::vector<Row>& rows, const Options& options) {
  const auto lines = run_isolated(
      rows.size(), options.seconds, [&](std::size_t item) { return to_line(run(rows[item], options)); },
      [](const std::string& reason) {
        return to_line({"failed", reason});
      });
  std::vector<Outcome> outcomes;
  for (const std::string& line : lines) outcomes.push_back(from_line(line));
  return outcomes;
}

struct Tally {
  std::map<std::string, int> counts{{"passed", 0}, {"failed", 0}, {"skipped", 0}};
  int all() const { return counts.at("passed") + counts.at("failed") + counts.at("skipped"); }
  std::string text() const {
    return fmt::format("passed {}, failed {}, skipped {} of {} ({:.1f} % passed)", counts.at("passed"),
                       counts.at("failed"), counts.at("skipped"), all(),
                       all() == 0 ? 0.0 : 100.0 * counts.at("passed") / all());
  }
};

using Tallies = std::map<std::string, Tally>;

Tallies tallies_by(const std::vector<Row>& rows, const std::vector<Outcome>& outcomes, std::string Row::*group) {
  Tallies tallies;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].counts()) ++tallies[rows[i].*group].counts[outcomes[i].what];
  }
  return tallies;
}

nlohmann::json to_json(const Tallies& tallies) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& [group, tally] : tallies) json[group] = tally.counts;
  return json;
}

void print_json(const std::vector<Row>& rows, const std::vector<Outcome>& outcomes) {
  nlohmann::json json{{"tiers", to_json(tallies_by(rows, outcomes, &Row::tier))},
                      {"operators", to_json(tallies_by(rows, outcomes, &Row::operator_under_test))},
                      {"tests", nlohmann::json::array()}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    nlohmann::json one{{"test", rows[i].test},        {"category", rows[i].category},
                       {"tier", rows[i].tier},        {"operator", rows[i].operator_under_test},
                       {"counted", rows[i].counts()}, {"outcome", outcomes[i].what}};
    if (!outcomes[i].reason.empty()) one["reason"] = outcomes[i].reason;
    json["tests"].push_back(std::move(one));
  }
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

void print_text(const std::vector<Row>& rows, const std::vector<Outcome>& outcomes) {
  for (const auto& [tier, tally] : tallies_by(rows, outcomes, &Row::tier)) {
    fmt::print("tier {}: {}\n", tier, tally.text());
  }
  fmt::print("\nOperators with a test that is not passed:\n");
  for (const auto& [name, tally] : tallies_by(rows, outcomes, &Row::operator_under_test)) {
    if (tally.counts.at("passed") < tally.all()) fmt::print("  {:<32} {}\n", name, tally.text());
  }
  fmt::print("\nNot passed, and why:\n");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (outcomes[i].what == "passed") continue;
    fmt::print("  {:<8} tier {} {}{}: {}\n", outcomes[i].what, rows[i].tier, rows[i].test,
               rows[i].counts() ? "" : " (disputed, not counted)", outcomes[i].reason);
  }
}

bool any_failed(const std::vector<Row>& rows, const std::vector<Outcome>& outcomes) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].counts() && outcomes[i].what == "failed") return true;
  }
  return false;
}

int run(const Options& options) {
  if (!fs::is_directory(options.folder)) {
    throw Error(ErrorCode::not_found, options.folder + " is no folder; it must hold <category>/<test>/model.onnx",
                "DIR");
  }
  const std::vector<Row> rows = read_index(options.index);
  const std::vector<Outcome> outcomes = run_all(rows, options);
  options.json ? print_json(rows, outcomes) : print_text(rows, outcomes);
  return any_failed(rows, outcomes) ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  bool plain_only = false, fast_only = false;
  CLI::App app(
      "Runs a folder of ONNX backend tests through the engine: with the plain operators, and with the fast plan.\n"
      "Exit status 0: none failed; 1: some did; 2: wrong use.");
  app.add_option("DIR", options.folder, "Holds <category>/<test>/model.onnx")->required();
  app.add_option("INDEX", options.index, "A row a test, tab-separated, with test, category, tier, …")->required();
  app.add_flag("--json", options.json, "One JSON object instead of text");
  auto* plain = app.add_flag("--plain", plain_only, "Only the plain operators, the definition of what is right");
  app.add_flag("--fast", fast_only, "Only the fast plan")->excludes(plain);
  app.add_option("--tolerance", options.tolerance,
                 "official, or relaxed: absolute differences of 1e-5 (DFT 1e-3, STFT 1e-4)")
      ->check(CLI::IsMember({"official", "relaxed"}));
  app.add_option("--seconds", options.seconds, "That one test may take, 60")->check(CLI::Range(1, 86'400));
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  options.fast = !plain_only;
  options.plain = !fast_only;
  try {
    return run(options);
  } catch (const Error& error) {
    fmt::print(stderr, "onnx_backend: {}\n", error.what());
    return entry_of(error.code()).exit_code;
  }
}
