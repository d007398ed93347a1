#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "tests/bench/queue/peers.h"
#include "tests/bench/queue/sections.h"

namespace ns::bench {
namespace {

// A queue in this comparison: ours, or a peer.
struct Contender {
  std::string name;
  std::string setting;  // persistence and workers
  Repeated throughput;
  std::vector<double> milliseconds;

  double rate() const { return throughput.rate().median; }
  double trip(double part) const { return milliseconds.empty() ? 0 : percentile(milliseconds, part); }
  void add(const Cost& cost, const std::vector<double>& trips) {
    throughput.costs.push_back(cost);
    milliseconds.insert(milliseconds.end(), trips.begin(), trips.end());
  }
};

void run_ours(const Settings& settings, Persistence persistence, Contender& us) {
  const std::uint32_t credits = *std::max_element(settings.credits.begin(), settings.credits.end());
  const Crew crew{settings.worker, 1, 1, credits, false};
  us.name = fmt::format("ns {}, credit {}", NS_VERSION, credits);
  const Deployment deployment{persistence, settings.transport.front()};
  us.setting = to_text(deployment) + ", 1 worker";
  const Cost cost = measure_throughput({deployment, crew, settings.jobs, settings.window});
  std::vector<double> trips;
  if (settings.round_trips > 0) {
    trips = measure_round_trips({deployment, crew, settings.round_trips, 1}).milliseconds;
  }
  us.add(cost, trips);
}

void run_peer_for(const Settings& settings, Persistence persistence, const std::string& name, Contender& peer) {
  const PeerRun run = run_peer(name, persistence, settings.jobs, settings.round_trips);
  peer.name = run.version;
  peer.setting = fmt::format("{}, {} worker{}", run.persistence, run.workers, run.workers == 1 ? "" : "s");
  peer.add(run.cost, run.milliseconds);
}

// Of server (and broker), workers and client.
std::string cpu_text(const Contender& contender) {
  const auto cpu = contender.throughput.cpu_us();
  double server = 0;
  for (const auto& [part, time] : cpu) server += part == "workers" || part == "client" ? 0 : time.total();
  return fmt::format("{:.0f} + {:.0f} + {:.0f}", server, cpu.at("workers").total(), cpu.at("client").total());
}

Json json_of(const Contender& contender, const Contender& us) {
  Json json{{"name", contender.name},
            {"setting", contender.setting},
            {"p50_ms", contender.trip(0.5)},
            {"p99_ms", contender.trip(0.99)},
            {"ours_to_this_rate", us.rate() / contender.rate()}};
  Json cost = json_of(contender.throughput);
  for (const char* redis_only : {"redis_function_us_per_job", "append_only_bytes_per_job", "redis_calls_per_job"}) {
    cost.erase(redis_only);
  }
  json.update(cost);
  return json;
}

}  // namespace

Json report_peers(const Settings& settings) {
  Json json = Json::array();
  Table table({"", "", "jobs", "jobs/s (least-most)", "ours is", "p50 ms", "p99 ms",
               "CPU us a job: server + workers + client"});
  for (const Persistence persistence : settings.persistence) {
    std::vector<Contender> contenders(1 + settings.peers.size());
    for (std::uint32_t run = 0; run < settings.runs; ++run) {
      progress(fmt::format("peers, {}: run {} of {}: ours", to_text(persistence), run + 1, settings.runs));
      run_ours(settings, persistence, contenders[0]);
      for (std::size_t i = 0; i < settings.peers.size(); ++i) {
        progress(fmt::format("peers, {}: run {} of {}: {}", to_text(persistence), run + 1, settings.runs,
                             settings.peers[i]));
        run_peer_for(settings, persistence, settings.peers[i], contenders[i + 1]);
      }
    }
    for (const Contender& contender : contenders) {
      json.push_back(json_of(contender, contenders[0]));
      table.add({contender.name, contender.setting, number(contender.throughput.jobs()),
                 text_of(contender.throughput.rate()), fmt::format("{:.2f} x", contenders[0].rate() / contender.rate()),
                 number(contender.trip(0.5), 3), number(contender.trip(0.99), 3), cpu_text(contender)});
    }
  }
  if (!settings.json) {
    std::printf("\nPeers, in turns with ours: the same jobs, sizes and persistence\n\n");
    table.print();
  }
  return json;
}

}  // namespace ns::bench
