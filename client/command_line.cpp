#include "client/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"

namespace ns::client {

namespace {

constexpr int kWrongUse = 2;

// In the order of the help.
constexpr void (*kCommands[])(CommandLine&) = {
    add_up,   add_down,    add_submit, add_status, add_watch,  add_result,  add_cancel,
    add_list, add_workers, add_queue,  add_keys,   add_schema, add_version, add_supervise,
};

constexpr const char* kFooter = R"(
Examples:
  ns-client up                          start Redis, a broker and workers on this machine
  ns-client submit task.yaml --wait     optimize a model, and look on
  ns-client result last -o optimized    fetch the model and the report
  ns-client list --json                 the same facts for programs
  ns-client down                        stop everything; tasks are kept

A task is named by its id, by the first or last four or more characters of it, or by "last".

Where the broker is, the first that says anything:
  --broker ENDPOINT      tcp://host:port or ipc:///path; may be given several times
  NS_BROKER              the same, separated by commas
  settings file          broker: tcp://host:port   (~/.config/ns/config.yaml, or --config)
  the private stack      in --dir, NS_DIR, $XDG_STATE_HOME/ns or ~/.local/state/ns

A broker on other machines lets in who has a key (ns-client keys new FILE); the first that says anything:
  --key FILE, NS_KEY, or key: in the settings file                 one's own secret key
  --broker-key PUB, NS_BROKER_KEY, or broker_key: there            the broker's public key, its FILE.pub

Exit status: 0 done, 1 failed or criterion not met, 2 wrong use or input, 3 service not reachable, 130 interrupted.)";

using Action = std::function<int(const Settings&)>;

class ParsedCommand : public Command {
 public:
  ParsedCommand(CLI::App& app, Action& chosen) : app_(app), chosen_(chosen) {}

  void argument(const std::string& name, std::string& target, const std::string& help) override {
    app_.add_option(name, target, help)->required();
  }
  void optional_argument(const std::string& name, std::string& target, const std::string& help) override {
    app_.add_option(name, target, help);
  }
  void option(const std::string& flag, std::string& target, const std::string& help) override {
    app_.add_option(flag, target, help);
  }
  void choice(const std::string& flag, std::string& target, const std::vector<std::string>& words,
              const std::string& help) override {
    app_.add_option(flag, target, help)->check(CLI::IsMember(words));
  }
  void number(const std::string& flag, std::uint32_t& target, std::uint32_t low, std::uint32_t high,
              const std::string& help) override {
    app_.add_option(flag, target, help)->check(CLI::Range(low, high));
  }
  void flag(const std::string& flag, bool& target, const std::string& help) override {
    app_.add_flag(flag, target, help);
  }
  void footer(const std::string& text) override { app_.footer(text); }
  Command& add(const std::string& name, const std::string& what_it_does) override {
    commands_.push_back(std::make_unique<ParsedCommand>(*app_.add_subcommand(name, what_it_does), chosen_));
    return *commands_.back();
  }
  void hide() override { app_.group(""); }
  void run(Action action) override {
    // Called after those of the commands of this command.
    app_.callback([this, action = std::move(action)] {
      if (app_.get_subcommands().empty()) chosen_ = action;
    });
  }

 private:
  CLI::App& app_;
  Action& chosen_;
  std::vector<std::unique_ptr<ParsedCommand>> commands_;
};

class ParsedCommandLine : public CommandLine {
 public:
  ParsedCommandLine(CLI::App& app, Action& chosen) : app_(app), chosen_(chosen) {}

  Command& add(const std::string& name, const std::string& what_it_does) override {
    commands_.push_back(std::make_unique<ParsedCommand>(*app_.add_subcommand(name, what_it_does), chosen_));
    return *commands_.back();
  }

 private:
  CLI::App& app_;
  Action& chosen_;
  std::vector<std::unique_ptr<ParsedCommand>> commands_;
};

void add_global_flags(CLI::App& app, Settings& settings) {
  app.add_option("--broker", settings.brokers, "Where the broker is; may be given several times")
      ->type_name("ENDPOINT")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--key", settings.key, "Secret key, for a broker that has one")->type_name("FILE");
  app.add_option("--broker-key", settings.broker_key, "The broker's public key, or the file with it")->type_name("PUB");
  app.add_option("--dir", settings.directory, "Folder of the private stack")->type_name("FOLDER");
  app.add_option("--config", settings.config, "Settings file")->type_name("FILE");
  app.add_flag("--json", settings.json, "One JSON object on standard output (watch: one a line)");
  app.fallthrough();  // global flags are understood behind the command too
  app.footer(kFooter);
}

int report(const Error& problem, const Settings& settings) {
  if (settings.json) {
    print_json(as_json(problem));
  } else {
    const std::string message = problem.what();
    const bool named = problem.field().empty() || message.find(problem.field()) != std::string::npos;
    fmt::print(stderr, "ns-client: {}{}\n", named ? "" : problem.field() + ": ", message);
  }
  return entry_of(problem.code()).exit_code;
}

}  // namespace

int run_command_line(int argc, char** argv) {
  Settings settings;
  settings.terminal = terminal_of(1);
  Action action;
  CLI::App app("Model optimization as a service: submit tasks, watch them, fetch results.", "ns-client");
  add_global_flags(app, settings);
  ParsedCommandLine line(app, action);
  for (const auto add : kCommands) add(line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    // Asking for help is no error; everything else that the parser throws is wrong use.
    return app.exit(problem) == 0 ? 0 : kWrongUse;
  }
  if (!action) {
    fmt::print(stderr, "ns-client: which command? See: ns-client --help\n");
    return kWrongUse;
  }
  try {
    return action(settings);
  } catch (const Error& problem) {
    return report(problem, settings);
  } catch (const std::exception& problem) {
    return report(Error(ErrorCode::internal, problem.what()), settings);
  }
}

}  // namespace ns::client
