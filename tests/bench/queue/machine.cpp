#include "tests/bench/queue/machine.h"

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/bench/queue/payload.h"
#include "tests/bench/queue/service.h"

namespace ns::bench {
namespace {

std::string text_after(const std::string& text, const std::string& name) {
  const auto place = text.find(name);
  if (place == std::string::npos) return "?";
  const auto begin = place + name.size();
  return text.substr(begin, text.find_first_of("\r\n", begin) - begin);
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, 10, "model name") == 0) return text_after(line, ": ");
  }
  return "?";
}

}  // namespace

Machine measure_machine() {
  constexpr int kWrites = 2000, kInWrite = 64;
  test::TempFolder folder;
  const PrivateRedis redis(folder.path(), Persistence::none);
  RedisConnection connection(redis.socket());
  Machine machine;
  machine.processor = processor_name();
  machine.cores = std::thread::hardware_concurrency();
  machine.redis = text_after(std::string(connection.command({"INFO", "server"}).text()), "redis_version:");

  const std::string value(kParametersBytes, 'x');
  const CpuTime before = cpu_time_of(redis.pid());
  const auto begin = std::chrono::steady_clock::now();
  for (int write = 0; write < kWrites; ++write) {
    for (int i = 0; i < kInWrite; ++i) connection.append({"SET", "key:" + std::to_string(write * kInWrite + i), value});
    for (int i = 0; i < kInWrite; ++i) connection.read();
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  machine.sets_per_second = kWrites * kInWrite / seconds;
  machine.redis_us_per_set = (cpu_time_of(redis.pid()) - before).total() * 1e6 / (kWrites * kInWrite);
  return machine;
}

}  // namespace ns::bench
