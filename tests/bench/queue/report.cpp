#include "tests/bench/queue/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "common/clock.h"

namespace ns::bench {

void Table::print() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i == 0 ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
    }
    std::printf("%s\n", line.c_str());
  }
}

std::string number(double value, int digits) {
  std::string text = fmt::format("{:.{}f}", value, digits);
  const auto point = std::min(text.find('.'), text.size());
  const std::size_t first = text[0] == '-' ? 1 : 0;
  for (std::size_t place = point; place > first + 3; place -= 3) text.insert(place - 3, 1, ',');
  return text;
}

std::string text_of(const Spread& spread, int digits) {
  return number(spread.median, digits) + " (" + number(spread.least, digits) + "-" + number(spread.most, digits) + ")";
}

Spread Repeated::rate() const {
  std::vector<double> rates;
  for (const Cost& cost : costs) rates.push_back(cost.rate());
  return spread_of(rates);
}

std::map<std::string, CpuTime> Repeated::cpu_us() const {
  const double a_job = 1e6 / (static_cast<double>(jobs()) * static_cast<double>(costs.size()));
  std::map<std::string, CpuTime> sums;
  for (const Cost& cost : costs) {
    for (const auto& [part, time] : cost.cpu) sums[part] += CpuTime{time.user * a_job, time.system * a_job};
  }
  return sums;
}

double Repeated::cpu_us_in_all() const {
  double sum = 0;
  for (const auto& [part, time] : cpu_us()) sum += time.total();
  return sum;
}

double Repeated::append_only_bytes() const {
  double sum = 0;
  for (const Cost& cost : costs) sum += static_cast<double>(cost.redis.append_only_bytes);
  return sum / static_cast<double>(jobs()) / static_cast<double>(costs.size());
}

double Repeated::fcall_us() const {
  double sum = 0;
  for (const Cost& cost : costs) {
    const auto found = cost.redis.commands.find("fcall");
    if (found != cost.redis.commands.end()) sum += static_cast<double>(found->second.microseconds);
  }
  return sum / static_cast<double>(jobs()) / static_cast<double>(costs.size());
}

std::map<std::string, double> Repeated::calls() const {
  std::map<std::string, double> sums;
  for (const Cost& cost : costs) {
    for (const auto& [name, command] : cost.redis.commands) {
      sums[name] +=
          static_cast<double>(command.calls) / static_cast<double>(jobs()) / static_cast<double>(costs.size());
    }
  }
  return sums;
}

Json json_of(const Spread& spread) {
  return {{"median", spread.median}, {"least", spread.least}, {"most", spread.most}};
}

Json json_of(const Repeated& repeated) {
  Json cpu = Json::object();
  for (const auto& [part, time] : repeated.cpu_us()) cpu[part] = {{"user", time.user}, {"system", time.system}};
  return {{"jobs", repeated.jobs()},
          {"runs", repeated.costs.size()},
          {"jobs_per_second", json_of(repeated.rate())},
          {"cpu_us_per_job", std::move(cpu)},
          {"redis_function_us_per_job", repeated.fcall_us()},
          {"append_only_bytes_per_job", repeated.append_only_bytes()},
          {"redis_calls_per_job", repeated.calls()}};
}

void progress(const std::string& what) {
  static const auto begin = steady_clock().now();
  const double seconds = std::chrono::duration<double>(steady_clock().now() - begin).count();
  std::fprintf(stderr, "%7.1f s  %s\n", seconds, what.c_str());
}

}  // namespace ns::bench
