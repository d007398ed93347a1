// The queue's rate: trials that do nothing, through a real ns-broker and redis-server, done by a worker in this process
// that speaks the protocol. Prints trials a second, and the round trip of one trial at a time.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/net/socket.h"
#include "common/wire.h"
#include "tests/support/processes.h"

namespace ns::test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

struct Settings {
  std::uint32_t trials = 20'000;
  std::uint32_t credits = 50;
  std::uint32_t single_trials = 500;
  bool append_only = false;
  bool json = false;
};

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

double percentile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values.at(static_cast<std::size_t>(part * static_cast<double>(values.size() - 1)));
}

// Coordinator and worker at once, over one connection.
class NoOpWorker {
 public:
  explicit NoOpWorker(const std::string& endpoint) : dealer_(context_, endpoint) {
    SubmitTask submit;
    submit.task = make_task_id();
    submit.kind = "nothing";
    submit.spec = "{}";
    submit.workers = 10'000;
    call<TaskAccepted>(submit);
    Hello hello;
    hello.worker = id_;
    hello.kinds = {"nothing"};
    session_ = call<Welcome>(hello).session;
    pull_.worker = id_;
    pull_.session = session_;
    pull_.control_credits = 1;
    send(pull_);
    coordinator_ = receive<Jobs>().jobs.at(0);
  }

  void enqueue(std::uint32_t count) {
    EnqueueTrials enqueue{coordinator_.task, coordinator_.token, {}};
    const std::string parameters(200, 'x');
    while (count > 0) {
      enqueue.trials.clear();
      for (; count > 0 && enqueue.trials.size() < 500; --count) {
        enqueue.trials.push_back({next_number_++, '"' + parameters + '"', 0, 0});
      }
      call<TrialsEnqueued>(enqueue);
    }
  }

  // Runs `count` trials with so many credits; each batch of jobs is answered by one report and one pull.
  void run(std::uint32_t count, std::uint32_t credits) {
    grant(std::min(credits, count));
    std::uint32_t granted = std::min(credits, count);
    const std::string result = "{\"metrics\":{\"x\":0.123456789},\"summary\":\"" + std::string(60, 'y') + "\"}";
    for (std::uint32_t done = 0; done < count;) {
      const auto frames = next();
      const auto type = wire::decode_header(frames[0]).type;
      if (type == MessageType::results_acknowledged) {
        for (const auto& one : wire::decode<ResultsAcknowledged>(frames[1]).results) {
          if (one.status != CommitStatus::committed) throw std::runtime_error("a result was not committed");
          ++done;
        }
      }
      if (type != MessageType::jobs) continue;
      ReportResults report{id_, {}};
      for (const Job& job : wire::decode<Jobs>(frames[1]).jobs) {
        report.results.push_back({job.job, job.token, Outcome::succeeded, result, ""});
      }
      const auto more = std::min<std::uint32_t>(static_cast<std::uint32_t>(report.results.size()), count - granted);
      send(report);
      granted += more;
      if (more > 0) grant(more);
    }
  }

 private:
  void grant(std::uint32_t more) {
    pull_.compute_credits += more;
    send(pull_);
  }
  template <typename Message>
  void send(const Message& message) {
    if (!dealer_.send(wire::encode(++number_, message))) throw std::runtime_error("nothing more can be sent");
  }
  wire::Frames next() {
    for (;;) {
      if (auto frames = dealer_.receive()) {
        const wire::Header header = wire::decode_header(frames->at(0));
        if (header.type == MessageType::error) {
          throw std::runtime_error(wire::decode<ErrorReply>(frames->at(1)).message);
        }
        return *frames;
      }
      if (!dealer_.wait(30s)) throw std::runtime_error("the broker does not answer");
    }
  }
  template <typename Message>
  Message receive() {
    for (;;) {
      const auto frames = next();
      if (wire::decode_header(frames[0]).type == wire::kTypeOf<Message>) return wire::decode<Message>(frames[1]);
    }
  }
  template <typename Reply, typename Message>
  Reply call(const Message& message) {
    send(message);
    return receive<Reply>();
  }

  net::Context context_;
  net::Dealer dealer_;
  const WorkerId id_{"bench"};
  std::uint64_t session_ = 0;
  std::uint64_t number_ = 0;
  std::uint32_t next_number_ = 0;
  Pull pull_;
  Job coordinator_;
};

void run(const Settings& settings) {
  TempFolder folder;
  RedisServer redis(folder.path(), settings.append_only);
  BrokerProcess broker(folder.path(), redis.address(), {"--lease", "600000"});
  NoOpWorker worker(broker.endpoint());

  const auto enqueue_begin = Clock::now();
  worker.enqueue(settings.trials);
  const double enqueued = settings.trials / seconds_since(enqueue_begin);
  const auto run_begin = Clock::now();
  worker.run(settings.trials, settings.credits);
  const double rate = settings.trials / seconds_since(run_begin);

  std::vector<double> milliseconds;
  for (std::uint32_t i = 0; i < settings.single_trials; ++i) {
    const auto begin = Clock::now();
    worker.enqueue(1);
    worker.run(1, 1);
    milliseconds.push_back(seconds_since(begin) * 1000);
  }
  const double p50 = percentile(milliseconds, 0.5), p99 = percentile(milliseconds, 0.99);
  if (settings.json) {
    std::printf("%s\n", nlohmann::json{{"trials", settings.trials},
                                       {"credits", settings.credits},
                                       {"append_only", settings.append_only},
                                       {"enqueued_per_second", enqueued},
                                       {"trials_per_second", rate},
                                       {"round_trip_p50_ms", p50},
                                       {"round_trip_p99_ms", p99}}
                            .dump()
                            .c_str());
  } else {
    std::printf("enqueue         %10.0f trials/s\nlease + commit  %10.0f trials/s with %u credits%s\n", enqueued, rate,
                settings.credits, settings.append_only ? ", append-only file" : "");
    std::printf("one at a time   %10.3f ms p50, %.3f ms p99 (enqueue, lease, commit: three round trips)\n", p50, p99);
  }
}

}  // namespace
}  // namespace ns::test

int main(int argc, char** argv) {
  CLI::App app{"bench_queue: how many trials that do nothing go through broker and Redis"};
  ns::test::Settings settings;
  app.add_option("--trials", settings.trials)->check(CLI::Range(1, 90'000))->capture_default_str();
  app.add_option("--credits", settings.credits)->check(CLI::Range(1, 10'000))->capture_default_str();
  app.add_option("--single", settings.single_trials)->check(CLI::Range(1, 9'000))->capture_default_str();
  app.add_flag("--append-only", settings.append_only, "redis-server with its append-only file (fsync every second)");
  app.add_flag("--json", settings.json);
  CLI11_PARSE(app, argc, argv);
  try {
    ns::test::run(settings);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_queue: %s\n", error.what());
    return 1;
  }
}
