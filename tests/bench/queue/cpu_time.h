// CPU time of processes, as the kernel counts it. Any thread.
#pragma once

#include <map>
#include <string>

namespace ns::bench {

struct CpuTime {
  double user = 0;  // seconds, all threads
  double system = 0;

  double total() const { return user + system; }
  CpuTime& operator+=(const CpuTime&);
  CpuTime operator-(const CpuTime&) const;
};

// By the part that a process plays: redis, broker, workers, client.
using CpuTimes = std::map<std::string, CpuTime>;

// The total is exact to the nanosecond; its halves are as exact as the kernel's ticks. Throws std::runtime_error when
// there is no such process.
CpuTime cpu_time_of(int pid);
CpuTime cpu_time_with_children(int pid);  // and of every process that it started and that lives
CpuTime own_cpu_time();

CpuTimes operator-(const CpuTimes& later, const CpuTimes& earlier);

}  // namespace ns::bench
