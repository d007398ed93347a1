#include "client/stack/cpu_shares.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <tuple>

namespace ns::client::stack {

namespace {

// A small number from /sys, or `otherwise` where the system (a container, say) does not tell.
int topology(int cpu, const char* what, int otherwise) {
  std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu{}/topology/{}", cpu, what));
  int number = 0;
  return file >> number && number >= 0 ? number : otherwise;
}

}  // namespace

std::vector<Cpu> usable_cpus() {
  std::vector<Cpu> cpus;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {Cpu{}};
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &allowed)) continue;
    cpus.push_back({i, topology(i, "physical_package_id", 0), topology(i, "core_id", i)});
  }
  return cpus;
}

std::vector<int> sockets_of(const std::vector<Cpu>& cpus) {
  std::set<int> sockets;
  for (const Cpu& cpu : cpus) sockets.insert(cpu.socket);
  return {sockets.begin(), sockets.end()};
}

std::vector<std::string> share_out(std::vector<Cpu> cpus, std::size_t workers) {
  std::sort(cpus.begin(), cpus.end(), [](const Cpu& a, const Cpu& b) {
    return std::tie(a.socket, a.core, a.number) < std::tie(b.socket, b.core, b.number);
  });
  std::vector<std::vector<int>> cores;
  for (std::size_t i = 0; i < cpus.size(); ++i) {
    if (i == 0 || cpus[i].socket != cpus[i - 1].socket || cpus[i].core != cpus[i - 1].core) cores.emplace_back();
    cores.back().push_back(cpus[i].number);
  }
  std::vector<std::string> lists;
  for (std::size_t worker = 0; worker < workers && !cores.empty(); ++worker) {
    std::vector<int> share;
    if (workers > cores.size()) {
      share = cores[worker % cores.size()];
    } else {
      for (std::size_t i = worker * cores.size() / workers; i < (worker + 1) * cores.size() / workers; ++i) {
        share.insert(share.end(), cores[i].begin(), cores[i].end());
      }
    }
    lists.push_back(cpu_list(std::move(share)));
  }
  return lists;
}

std::string cpu_list(std::vector<int> numbers) {
  std::sort(numbers.begin(), numbers.end());
  std::string list;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i;
    while (end + 1 < numbers.size() && numbers[end + 1] == numbers[end] + 1) ++end;
    if (!list.empty()) list += ',';
    list += end > i ? fmt::format("{}-{}", numbers[i], numbers[end]) : fmt::format("{}", numbers[i]);
    i = end + 1;
  }
  return list;
}

}  // namespace ns::client::stack
