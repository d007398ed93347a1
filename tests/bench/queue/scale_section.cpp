#include <fmt/format.h>

#include <cstdio>

#include "tests/bench/queue/open_files.h"
#include "tests/bench/queue/scale.h"
#include "tests/bench/queue/sections.h"

namespace ns::bench {
namespace {

// What the machine's noise does not reach: Redis' and the broker's CPU time a job.
double served_us(const Repeated& repeated) {
  const auto cpu = repeated.cpu_us();
  return cpu.at("redis").total() + cpu.at("broker").total();
}

}  // namespace

Json report_scale(const Settings& settings) {
  Json json = Json::array();
  Table table(
      {"", "plain", "jobs/s (least-most)", "loaded", "jobs/s (least-most)", "rate", "CPU us a job", "loaded", "CPU"});
  const Deployment deployment{settings.persistence.front(), settings.transport.front()};
  allow_open_files(settings.scale.workers);  // the broker inherits it
  for (const ScaleQuestion& question : scale_questions(deployment, settings.scale)) {
    const ScaleAnswer costs = answer(question, settings.scale);
    const Repeated plain{costs.plain}, loaded{costs.loaded};
    const double rate = loaded.rate().median / plain.rate().median;
    const double cpu = served_us(loaded) / served_us(plain);
    table.add({question.name, question.plain, text_of(plain.rate()), question.loaded, text_of(loaded.rate()),
               fmt::format("{:.2f}", rate), number(served_us(plain), 1), number(served_us(loaded), 1),
               fmt::format("{:.2f}", cpu)});
    json.push_back({{"question", question.name},
                    {"plain", {{"scene", question.plain}}},
                    {"loaded", {{"scene", question.loaded}}},
                    {"rate_ratio", rate},
                    {"cpu_ratio", cpu}});
    json.back()["plain"].update(json_of(plain));
    json.back()["loaded"].update(json_of(loaded));
  }
  if (!settings.json) {
    std::printf("\nScale, %s: %s jobs measured in turns; CPU is Redis' and the broker's\n\n",
                to_text(deployment).c_str(), number(settings.scale.jobs).c_str());
    table.print();
  }
  return json;
}

}  // namespace ns::bench
