#include "tests/bench/queue/cpu_time.h"

#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace ns::bench {
namespace {

// utime and stime are the 14th and 15th fields; the second, the name in parentheses, may hold spaces.
std::pair<double, double> user_and_system_ticks(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) throw std::runtime_error("process " + std::to_string(pid) + " has gone");
  std::istringstream rest(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) rest >> skipped;
  double user = 0, system = 0;
  rest >> user >> system;
  return {user, system};
}

}  // namespace

CpuTime& CpuTime::operator+=(const CpuTime& other) {
  user += other.user;
  system += other.system;
  return *this;
}

CpuTime CpuTime::operator-(const CpuTime& other) const { return {user - other.user, system - other.system}; }

CpuTime cpu_time_of(int pid) {
  clockid_t clock = 0;
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
    throw std::runtime_error("process " + std::to_string(pid) + " has gone");
  }
  const double total = static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  const auto [user, system] = user_and_system_ticks(pid);
  const double part = user + system > 0 ? user / (user + system) : 1;
  return {total * part, total * (1 - part)};
}

// Each thread lists the children that it started.
CpuTime cpu_time_with_children(int pid) {
  CpuTime sum = cpu_time_of(pid);
  std::error_code gone;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::ifstream children(thread.path() / "children");
    for (int child = 0; children >> child;) sum += cpu_time_with_children(child);
  }
  return sum;
}

CpuTime own_cpu_time() { return cpu_time_of(::getpid()); }

CpuTimes operator-(const CpuTimes& later, const CpuTimes& earlier) {
  CpuTimes difference;
  for (const auto& [part, time] : later) {
    const auto before = earlier.find(part);
    difference[part] = before == earlier.end() ? time : time - before->second;
  }
  return difference;
}

}  // namespace ns::bench
