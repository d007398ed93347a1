#include "tests/bench/engine/contender.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <thread>

namespace ns::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

double since(Clock::time_point start) { return Milliseconds(Clock::now() - start).count(); }

}  // namespace

OwnEngine::OwnEngine(std::shared_ptr<const graph::Graph> graph, int threads, const Samples& samples)
    : session_(std::move(graph), {.threads = threads}), samples_(samples) {
  session_.run(samples_[0]);
}

std::vector<double> OwnEngine::slice(double milliseconds) {
  const auto once = [&] { session_.run(samples_[next_++ % samples_.size()]); };
  const Clock::time_point warm = Clock::now();
  do once();
  while (since(warm) < milliseconds / 10);
  std::vector<double> times;
  const Clock::time_point begin = Clock::now();
  Clock::time_point now = begin;
  do {
    const Clock::time_point start = now;
    once();
    now = Clock::now();
    times.push_back(Milliseconds(now - start).count());
  } while (Milliseconds(now - begin).count() < milliseconds);
  return times;
}

double OwnEngine::throughput(int instances, double milliseconds) {
  std::vector<runtime::Session> sessions;
  for (int i = 0; i < instances; ++i) {
    sessions.push_back(session_.share());
    sessions.back().run(samples_[0]);
  }
  std::barrier together(instances);
  std::vector<double> rates(sessions.size());
  const auto serve = [&](std::size_t instance) {
    together.arrive_and_wait();
    const Clock::time_point start = Clock::now();
    double runs = 0;
    do sessions[instance].run(samples_[static_cast<std::size_t>(runs++) % samples_.size()]);
    while (since(start) < milliseconds);
    rates[instance] = runs / since(start) * 1000;
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < sessions.size(); ++i) threads.emplace_back(serve, i);
  threads.clear();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

Reference::Reference(ReferenceServer& server, std::string name, const std::filesystem::path& model, int threads,
                     const std::vector<std::string>& inputs, const Samples& samples)
    : server_(server), name_(std::move(name)) {
  server_.load(name_, model, threads, inputs, samples);
}

Reference::~Reference() {
  try {
    server_.forget(name_);
  } catch (const std::exception&) {  // its process has ended, and with it the session
  }
}

double quantile(std::vector<double> values, double part) {
  const auto at = static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + at, values.end());
  return values[static_cast<std::size_t>(at)];
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

}  // namespace ns::bench
