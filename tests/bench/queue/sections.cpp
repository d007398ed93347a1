#include "tests/bench/queue/sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "tests/bench/queue/ceiling.h"
#include "tests/bench/queue/machine.h"

namespace ns::bench {
namespace {

// Few credits make a slow run; so many jobs are enough for a steady rate there.
std::uint32_t jobs_for(const Settings& settings, const Crew& crew) {
  constexpr std::uint64_t kJobsEachCredit = 5000;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(settings.jobs, crew.in_all() * kJobsEachCredit));
}

std::string title_of(const Crew& crew, const Deployment& deployment) {
  return fmt::format("{} worker{} x credit {}, {}", crew.processes, crew.processes == 1 ? "" : "s", crew.credits,
                     to_text(deployment));
}

std::vector<std::string> cpu_columns(const Repeated& repeated) {
  const auto cpu = repeated.cpu_us();
  std::vector<std::string> columns;
  for (const char* part : {"redis", "broker", "workers", "client"}) {
    const auto found = cpu.find(part);
    columns.push_back(found == cpu.end() ? "-" : number(found->second.total(), 2));
  }
  columns.push_back(number(repeated.cpu_us_in_all(), 2));
  return columns;
}

std::vector<std::string> cost_row(const std::string& title, const Repeated& repeated) {
  std::vector<std::string> row{title, number(repeated.jobs()), text_of(repeated.rate())};
  const auto cpu = cpu_columns(repeated);
  row.insert(row.end(), cpu.begin(), cpu.end());
  row.insert(row.end(), {number(repeated.fcall_us(), 2), number(repeated.append_only_bytes())});
  return row;
}

std::string percent(double part) { return fmt::format("{:.0f} %", 100 * part); }

const std::vector<std::string> kCostHeader{"CPU us a job in ->",
                                           "jobs",
                                           "jobs/s (least-most)",
                                           "redis",
                                           "broker",
                                           "workers",
                                           "client",
                                           "all",
                                           "in functions",
                                           "AOF bytes",
                                           "of ceiling",
                                           "of the first transport"};

std::vector<Crew> crews_of(const Settings& settings) {
  std::vector<Crew> crews;
  for (const std::uint32_t workers : settings.workers) {
    for (const std::uint32_t credits : settings.credits) crews.push_back({settings.worker, workers, 1, credits, false});
  }
  return crews;
}

// One run of each transport and, when it is wanted, of the ceiling, then the next of each.
std::vector<Repeated> measure_in_turns(const Settings& settings, Persistence persistence, const Crew& crew,
                                       Repeated& ceiling) {
  std::vector<Repeated> by_transport(settings.transport.size());
  for (std::uint32_t run = 0; run < settings.runs; ++run) {
    for (std::size_t i = 0; i < by_transport.size(); ++i) {
      const Deployment deployment{persistence, settings.transport[i]};
      progress(fmt::format("{}: run {} of {}", title_of(crew, deployment), run + 1, settings.runs));
      by_transport[i].costs.push_back(
          measure_throughput({deployment, crew, jobs_for(settings, crew), settings.window}));
    }
    if (settings.ceiling) ceiling.costs.push_back(measure_ceiling(persistence, settings.jobs));
  }
  return by_transport;
}

// Calls a job inside Redis, the most frequent first.
void print_calls(const Repeated& repeated) {
  std::vector<std::pair<double, std::string>> calls;
  for (const auto& [name, count] : repeated.calls()) {
    if (count >= 0.005) calls.emplace_back(count, name);
  }
  std::sort(calls.rbegin(), calls.rend());
  std::string line;
  for (const auto& [count, name] : calls) line += fmt::format("  {} {:.2f}", name, count);
  std::printf("\ncommands that Redis ran a job:%s\n", line.c_str());
}

}  // namespace

Json report_machine(const Settings& settings) {
  const Machine machine = measure_machine();
  if (!settings.json) {
    std::printf("%u x %s, Redis %s: %s plain SETs a second just now (64 in a write), %s us of its CPU each\n",
                machine.cores, machine.processor.c_str(), machine.redis.c_str(),
                number(machine.sets_per_second).c_str(), number(machine.redis_us_per_set, 2).c_str());
  }
  return {{"processor", machine.processor},
          {"cores", machine.cores},
          {"redis", machine.redis},
          {"sets_per_second", machine.sets_per_second},
          {"redis_us_per_set", machine.redis_us_per_set}};
}

Json report_throughput(const Settings& settings) {
  Json json = Json::array();
  Table table(kCostHeader);
  Repeated last;
  for (const Persistence persistence : settings.persistence) {
    Repeated ceiling;
    for (const Crew& crew : crews_of(settings)) {
      const std::vector<Repeated> by_transport = measure_in_turns(settings, persistence, crew, ceiling);
      for (std::size_t i = 0; i < by_transport.size(); ++i) {
        const Repeated& product = by_transport[i];
        const Deployment deployment{persistence, settings.transport[i]};
        Json entry{{"persistence", to_text(persistence)},
                   {"transport", to_text(deployment.transport)},
                   {"workers", crew.processes},
                   {"credits", crew.credits}};
        entry.update(json_of(product));
        std::vector<std::string> row = cost_row(title_of(crew, deployment), product);
        if (settings.ceiling) {
          entry["of_ceiling"] = product.rate().median / ceiling.rate().median;
          row.push_back(percent(entry["of_ceiling"]));
        }
        if (i > 0) {
          entry["of_first_transport"] = product.rate().median / by_transport[0].rate().median;
          row.resize(kCostHeader.size() - 1);
          row.push_back(percent(entry["of_first_transport"]));
        }
        json.push_back(std::move(entry));
        table.add(std::move(row));
      }
      last = by_transport.front();
    }
    if (!settings.ceiling) continue;
    Json entry{{"persistence", to_text(persistence)}, {"ceiling", true}};
    entry.update(json_of(ceiling));
    json.push_back(std::move(entry));
    table.add(cost_row("ceiling: the same functions, no broker, " + to_text(persistence), ceiling));
  }
  if (!settings.json) {
    std::printf("\nThroughput: submit, lease, run, commit, result visible\n\n");
    table.print();
    print_calls(last);
  }
  return json;
}

Json report_phases(const Settings& settings) {
  const Deployment deployment{settings.persistence.front(), settings.transport.front()};
  // Real workers cannot be held back until all is enqueued without their start being measured too.
  const Crew crew{Crew::Kind::simulated, settings.workers.front(), 1,
                  *std::max_element(settings.credits.begin(), settings.credits.end()), false};
  const ThroughputPlan plan{deployment, crew, jobs_for(settings, crew), settings.window};
  Repeated enqueued, done;
  std::uint64_t history = 0;
  for (std::uint32_t run = 0; run < settings.runs; ++run) {
    progress(fmt::format("phases apart, {}: run {} of {}", title_of(crew, deployment), run + 1, settings.runs));
    const Phases phases = measure_phases(plan);
    enqueued.costs.push_back(phases.enqueued);
    done.costs.push_back(phases.done);
    history = phases.history_bytes;
  }
  const double queued_bytes = static_cast<double>(enqueued.costs.back().redis.memory_bytes) / plan.jobs;
  const double finished_bytes = queued_bytes + static_cast<double>(done.costs.back().redis.memory_bytes) / plan.jobs;
  const double history_bytes = static_cast<double>(history) / plan.jobs;
  if (!settings.json) {
    Table table(kCostHeader);
    table.add(cost_row("enqueue alone", enqueued));
    table.add(cost_row("then lease, commit, see the result", done));
    std::printf("\nPhases apart: %s\n\n", title_of(crew, deployment).c_str());
    table.print();
    std::printf("\nmemory in Redis: %s bytes a queued job, %s a finished one, of which its history %s\n",
                number(queued_bytes).c_str(), number(finished_bytes).c_str(), number(history_bytes).c_str());
  }
  return {{"persistence", to_text(deployment.persistence)},
          {"enqueue", json_of(enqueued)},
          {"lease_and_commit", json_of(done)},
          {"memory_bytes_per_queued_job", queued_bytes},
          {"memory_bytes_per_finished_job", finished_bytes},
          {"history_bytes_per_finished_job", history_bytes}};
}

Json report_functions(const Settings& settings) {
  constexpr std::uint32_t kCalls = 60;
  const std::vector<std::string> names{"enqueue", "lease", "commit", "read_events"};
  Json json = Json::array();
  std::vector<std::string> header{"us a job, jobs in a call ->"};
  std::vector<std::vector<std::string>> rows;
  for (const std::string& name : names) rows.push_back({name});
  rows.push_back({"all"});
  for (const std::uint32_t jobs : {1u, 8u, 50u, kCeilingBatch}) {
    progress(fmt::format("functions in Redis, {} jobs a call", jobs));
    const auto microseconds = measure_functions(settings.persistence.front(), jobs, kCalls);
    header.push_back(std::to_string(jobs));
    double sum = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      sum += microseconds.at(names[i]);
      rows[i].push_back(number(microseconds.at(names[i]), 2));
    }
    rows.back().push_back(number(sum, 2));
    json.push_back({{"jobs_in_call", jobs}, {"us_per_job", microseconds}});
  }
  if (!settings.json) {
    std::printf("\nFunctions in Redis, %s: time inside each as Redis counts it\n\n",
                to_text(settings.persistence.front()).c_str());
    Table table(header);
    for (const auto& row : rows) table.add(row);
    table.print();
  }
  return json;
}

Json report_round_trips(const Settings& settings) {
  Json json = Json::array();
  Table table({"", "jobs", "p50 ms", "p90", "p99", "most", "redis", "broker", "workers", "client", "all us CPU"});
  const auto add = [&](const Deployment& deployment) {
    progress("one job at a time, " + to_text(deployment));
    const Crew crew{settings.worker, 1, 1, 1, false};
    const RoundTrips trips = measure_round_trips({deployment, crew, settings.round_trips, 1});
    const Repeated cost{{trips.cost}};
    const auto at = [&](double part) { return percentile(trips.milliseconds, part); };
    std::vector<std::string> row{"one job at a time, " + to_text(deployment), number(settings.round_trips)};
    for (const double part : {0.5, 0.9, 0.99, 1.0}) row.push_back(number(at(part), 3));
    const auto cpu = cpu_columns(cost);
    row.insert(row.end(), cpu.begin(), cpu.end());
    table.add(std::move(row));
    json.push_back({{"persistence", to_text(deployment.persistence)},
                    {"transport", to_text(deployment.transport)},
                    {"jobs", settings.round_trips},
                    {"p50_ms", at(0.5)},
                    {"p90_ms", at(0.9)},
                    {"p99_ms", at(0.99)},
                    {"most_ms", at(1)},
                    {"cost", json_of(cost)}});
  };
  for (const Persistence persistence : settings.persistence) {
    for (const Transport transport : settings.transport) add({persistence, transport});
  }
  if (!settings.json) {
    std::printf("\nRound trip of a single job: from sending it to seeing its result\n\n");
    table.print();
  }
  return json;
}

}  // namespace ns::bench
