#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "common/error.h"
#include "kernels/runtime/spinning.h"
#include "worker/commands/commands.h"

namespace ns::worker {
namespace {

struct Verb {
  std::string_view name, what_it_does;
  Action (*add)(CLI::App&);
};

constexpr std::array<Verb, 4> kVerbs{{
    {"inspect", "What a model is made of, what could be quantized, what is not supported", add_inspect},
    {"run", "Run a model on the arrays of an .npz", add_run},
    {"benchmark", "Measure a model's latency, throughput and memory", add_benchmark},
    {"evaluate", "Measure a model's accuracy over a data set", add_evaluate},
}};

constexpr int kWrongUse = 2;

int parse_and_run(const Verb& verb, int count, char** arguments) {
  CLI::App app{std::string(verb.what_it_does), "ns-worker " + std::string(verb.name)};
  app.footer("Exit status: 0 done, 1 failed, 2 wrong use or a model that cannot be used.");
  const Action action = verb.add(app);
  try {
    app.parse(count - 1, arguments + 1);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUse;
  }
  try {
    return action();
  } catch (const Error& error) {
    fmt::print(stderr, "ns-worker {}: {}\n", verb.name, error.what());
    return entry_of(error.code()).exit_code;
  } catch (const std::exception& error) {
    fmt::print(stderr, "ns-worker {}: {}\n", verb.name, error.what());
    return 1;
  }
}

}  // namespace

std::string list_of_commands() {
  std::string text = "To work with a model here, without a broker (each has --help):\n";
  for (const Verb& verb : kVerbs) text += fmt::format("  ns-worker {:<10} {}\n", verb.name, verb.what_it_does);
  return text;
}

std::optional<int> run_command(int count, char** arguments) {
  for (const Verb& verb : kVerbs) {
    if (count < 2 || verb.name != arguments[1]) continue;
    runtime::restart_with_bounded_spinning(arguments);
    return parse_and_run(verb, count, arguments);
  }
  return std::nullopt;
}

}  // namespace ns::worker
