// ns-worker: leases jobs from a broker and runs them on the cores it is bound to; with a verb, works with a model here.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <iostream>

#include "common/error.h"
#include "common/log.h"
#include "common/task_spec.h"
#include "worker/commands/commands.h"
#include "worker/machine.h"
#include "worker/runner/self.h"
#include "worker/worker.h"

namespace {

using namespace ns;
using namespace ns::worker;

constexpr int kWrongUse = 2;
constexpr std::size_t kMostSlots = 1024;
constexpr std::size_t kMostTags = 64;

std::filesystem::path usual_cache() {
  if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder == '/')
    return std::filesystem::path(folder) / "ns-worker";
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/')
    return std::filesystem::path(home) / ".cache" / "ns-worker";
  return "/var/tmp/ns-worker";
}

Prefetch parse_prefetch(const std::string& text) {
  if (text == "auto") return std::nullopt;
  std::size_t jobs = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), jobs);
  if (failure == std::errc{} && end == text.data() + text.size() && jobs <= Pace::kMostAhead) return jobs;
  throw Error(ErrorCode::invalid,
              fmt::format("--prefetch \"{}\": it must be auto or a number from 0 to {}", text, Pace::kMostAhead),
              "--prefetch");
}

// As a broker wants it: what is wrong is better said here than in a refused hello.
void check_word(const std::string& option, const std::string& word) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789_-.";
  if (!word.empty() && word.size() <= 64 && word.find_first_not_of(kLetters) == std::string::npos) return;
  throw Error(ErrorCode::invalid,
              fmt::format("{} \"{}\": it must be 1 to 64 lower-case letters, digits, '_', '-' or '.'", option, word),
              option);
}

int serve(WorkerOptions options) {
  log::start("ns-worker", log::level_from(options.log_level));
  return Worker(std::move(options)).run();
}

}  // namespace

int main(int count, char** arguments) {
  if (const std::optional<int> status = run_as_child(count, arguments)) return *status;
  if (const std::optional<int> status = run_command(count, arguments)) return *status;

  CLI::App app{"ns-worker: leases jobs from a broker and runs them on the cores it is bound to"};
  app.set_version_flag("--version", NS_VERSION);
  app.footer(list_of_commands());
  WorkerOptions options;
  int socket = -1;
  std::string cpus, cache_size = "10GiB", memory_limit = "0", drain_timeout = "30s", cache = usual_cache().string(),
                    prefetch = "auto";
  app.add_option("--broker", options.endpoints,
                 "Endpoint of a broker, tcp://host:port or ipc://path; may be repeated, the next is tried when one "
                 "does not answer")
      ->required();
  app.add_option("--key", options.key,
                 "File of this worker's secret key, where the broker has one (ns-client keys new FILE)");
  app.add_option("--broker-key", options.broker_key, "The broker's public key: its FILE.pub, or the key itself");
  auto* by_socket =
      app.add_option("--socket", socket, "Run on the cores and memory of this CPU socket, counted from 0");
  app.add_option("--cpus", cpus, "Run on these CPUs, \"0-3,8\"")->excludes(by_socket);
  app.add_option("--slots", options.slots, "Trials at once; the cores are shared out among them")
      ->check(CLI::Range(std::size_t{0}, kMostSlots));
  app.add_option("--control-slots", options.control_slots, "Tasks coordinated at once")
      ->check(CLI::Range(std::size_t{0}, kMostSlots));
  app.add_option("--prefetch", prefetch,
                 "Trials that a slot holds beyond the running one, at most 256; auto: by how long they take, none when "
                 "that is long");
  app.add_option("--pool", options.pool, "The pool of workers that this one belongs to, \"default\"");
  app.add_option("--tag", options.tags, "A word that tasks may ask of their workers; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--cache", cache, "Folder for artifacts and trials' files; workers of one host may share it");
  app.add_option("--cache-size", cache_size, "Most that the artifacts in it may take, \"10GiB\"");
  app.add_option("--memory-limit", memory_limit, "Of one job with everything it starts, \"4GiB\"; 0: none");
  app.add_option("--drain-timeout", drain_timeout, "After SIGTERM, how long running jobs may take to end, \"30s\"");
  app.add_option("--log-level", options.log_level, "debug, info, warning, error or off");
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kWrongUse;
  }
  try {
    if (socket < 0 && cpus.empty()) throw Error(ErrorCode::invalid, "--socket N or --cpus LIST is needed");
    options.cpus = cpus.empty() ? cpus_of_socket(socket) : checked_cpus(parse_cpus(cpus));
    if (!options.key.empty()) options.key = std::filesystem::absolute(options.key).string();  // runners read it too
    if (std::filesystem::exists(options.broker_key))
      options.broker_key = std::filesystem::absolute(options.broker_key).string();
    options.cache = cache;
    options.cache_bytes = parse_bytes(cache_size, "--cache-size");
    options.memory_limit = parse_bytes(memory_limit, "--memory-limit");
    options.drain_timeout = parse_duration(drain_timeout, "--drain-timeout");
    options.prefetch = parse_prefetch(prefetch);
    check_word("--pool", options.pool);
    for (const std::string& tag : options.tags) check_word("--tag", tag);
    if (options.tags.size() > kMostTags) throw Error(ErrorCode::invalid, "--tag: at most 64 are kept", "--tag");
    return serve(std::move(options));
  } catch (const Error& error) {
    std::cerr << "ns-worker: " << error.what() << '\n';
    return entry_of(error.code()).exit_code;
  } catch (const std::exception& error) {
    std::cerr << "ns-worker: " << error.what() << '\n';
    return 1;
  }
}
