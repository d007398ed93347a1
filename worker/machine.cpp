#include "worker/machine.h"

#include <fmt/format.h>
#include <hwloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "common/error.h"

namespace ns::worker {
namespace {

constexpr int kMostCpus = 65536;  // a number in --cpus beyond this is a typing error, not a machine

class Topology {
 public:
  Topology() {
    if (hwloc_topology_init(&topology_) != 0 || hwloc_topology_load(topology_) != 0) {
      throw Error(ErrorCode::unavailable, "hwloc cannot read this machine's topology");
    }
  }
  ~Topology() { hwloc_topology_destroy(topology_); }
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;

  hwloc_topology_t get() const { return topology_; }

 private:
  hwloc_topology_t topology_ = nullptr;
};

struct FreeBitmap {
  void operator()(hwloc_bitmap_t bitmap) const { hwloc_bitmap_free(bitmap); }
};
using Bitmap = std::unique_ptr<std::remove_pointer_t<hwloc_bitmap_t>, FreeBitmap>;

CpuList list_of(hwloc_const_bitmap_t bitmap) {
  CpuList cpus;
  for (int cpu = hwloc_bitmap_first(bitmap); cpu >= 0; cpu = hwloc_bitmap_next(bitmap, cpu)) cpus.push_back(cpu);
  return cpus;
}

[[noreturn]] void refuse_list(const std::string& list, const std::string& reason) {
  throw Error(ErrorCode::invalid, fmt::format("--cpus \"{}\": {}; right would be \"0-3\" or \"0,2,4-7\"", list, reason),
              "--cpus");
}

int cpu_number(const std::string& list, std::string_view text) {
  int number = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size() || number < 0 || number >= kMostCpus) {
    refuse_list(list, fmt::format("\"{}\" is not the number of a CPU", text));
  }
  return number;
}

}  // namespace

CpuList parse_cpus(const std::string& list) {
  CpuList cpus;
  std::stringstream parts(list);
  std::string part;
  while (std::getline(parts, part, ',')) {
    const std::size_t dash = part.find('-');
    const int first = cpu_number(list, std::string_view(part).substr(0, dash));
    const int last = dash == std::string::npos ? first : cpu_number(list, std::string_view(part).substr(dash + 1));
    if (last < first) refuse_list(list, fmt::format("\"{}\" ends before it begins", part));
    for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  }
  if (cpus.empty() || list.back() == ',') refuse_list(list, "an entry is missing");
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string to_text(const CpuList& cpus) {
  std::string text;
  for (std::size_t index = 0; index < cpus.size();) {
    std::size_t last = index;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += last == index ? fmt::format("{}", cpus[index]) : fmt::format("{}-{}", cpus[index], cpus[last]);
    index = last + 1;
  }
  return text;
}

CpuList all_cpus() {
  const Topology topology;
  CpuList cpus = list_of(hwloc_topology_get_allowed_cpuset(topology.get()));
  // What this process was started with counts too (taskset, a container).
  cpu_set_t bound;
  if (::sched_getaffinity(0, sizeof bound, &bound) == 0) {
    std::erase_if(cpus,
                  [&](int cpu) { return cpu < CPU_SETSIZE && !CPU_ISSET(static_cast<std::size_t>(cpu), &bound); });
  }
  return cpus;
}

CpuList cpus_of_socket(int socket) {
  const Topology topology;
  const int sockets = hwloc_get_nbobjs_by_type(topology.get(), HWLOC_OBJ_PACKAGE);
  if (socket < 0 || socket >= sockets) {
    throw Error(ErrorCode::invalid,
                fmt::format("--socket {}: this machine has {} socket{}, numbered from 0", socket, sockets,
                            sockets == 1 ? "" : "s"),
                "--socket");
  }
  const CpuList cpus =
      list_of(hwloc_get_obj_by_type(topology.get(), HWLOC_OBJ_PACKAGE, static_cast<unsigned>(socket))->cpuset);
  const CpuList allowed = all_cpus();
  CpuList usable;
  std::set_intersection(cpus.begin(), cpus.end(), allowed.begin(), allowed.end(), std::back_inserter(usable));
  if (usable.empty()) {
    throw Error(ErrorCode::invalid,
                fmt::format("--socket {}: this process may use none of its CPUs ({})", socket, to_text(cpus)),
                "--socket");
  }
  return usable;
}

CpuList checked_cpus(const CpuList& wanted) {
  const CpuList allowed = all_cpus();
  CpuList missing;
  std::set_difference(wanted.begin(), wanted.end(), allowed.begin(), allowed.end(), std::back_inserter(missing));
  if (!missing.empty()) {
    throw Error(
        ErrorCode::invalid,
        fmt::format("--cpus: {} cannot be used here; this process may use {}", to_text(missing), to_text(allowed)),
        "--cpus");
  }
  return wanted;
}

std::vector<CpuList> share_out(const CpuList& cpus, std::size_t slots) {
  std::vector<CpuList> shares(slots);
  for (std::size_t slot = 0; slot < slots; ++slot) {
    if (slots >= cpus.size()) {
      shares[slot] = {cpus[slot % cpus.size()]};
      continue;
    }
    const std::size_t first = slot * cpus.size() / slots, last = (slot + 1) * cpus.size() / slots;
    shares[slot].assign(cpus.begin() + static_cast<std::ptrdiff_t>(first),
                        cpus.begin() + static_cast<std::ptrdiff_t>(last));
  }
  return shares;
}

void bind(const CpuList& cpus) {
  const Topology topology;
  const Bitmap set(hwloc_bitmap_alloc());
  for (int cpu : cpus) hwloc_bitmap_set(set.get(), static_cast<unsigned>(cpu));
  if (hwloc_set_cpubind(topology.get(), set.get(), HWLOC_CPUBIND_PROCESS) != 0) {
    throw Error(ErrorCode::unavailable, fmt::format("cannot bind to CPUs {}: {}", to_text(cpus), std::strerror(errno)));
  }
  // Memory follows where the machine has nodes to choose from and lets us; first touch places it there otherwise.
  if (hwloc_get_nbobjs_by_type(topology.get(), HWLOC_OBJ_NUMANODE) > 1) {
    hwloc_set_membind(topology.get(), set.get(), HWLOC_MEMBIND_BIND, HWLOC_MEMBIND_PROCESS);
  }
}

namespace {

// The control group of this process (version 2), as a path below /sys/fs/cgroup; empty without one.
std::filesystem::path control_group() {
  std::ifstream file("/proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    constexpr std::string_view kUnified = "0::/";
    if (line.starts_with(kUnified)) return std::filesystem::path("/sys/fs/cgroup") / line.substr(kUnified.size());
  }
  return {};
}

}  // namespace

std::uint64_t memory_of_this_machine() {
  auto bytes =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::filesystem::path group = control_group();
  for (; group.string().starts_with("/sys/fs/cgroup"); group = group.parent_path()) {
    std::ifstream file(group / "memory.max");
    std::uint64_t limit = 0;
    if (file >> limit) bytes = std::min(bytes, limit);  // "max" is no number
  }
  return bytes;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

namespace {
std::string cpuinfo(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || !line.starts_with(key)) continue;
    const std::size_t begin = line.find_first_not_of(' ', colon + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return {};
}
}  // namespace

std::string cpu_model() { return cpuinfo("model name"); }

std::vector<std::string> isa_of_this_machine() {
  constexpr std::array<std::string_view, 10> kThatMatter{
      "sse4_1", "avx", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"};
  std::vector<std::string> found;
  std::stringstream flags(cpuinfo("flags"));
  std::string flag;
  while (flags >> flag) {
    if (std::find(kThatMatter.begin(), kThatMatter.end(), flag) != kThatMatter.end()) found.push_back(flag);
  }
  return found;
}

}  // namespace ns::worker
