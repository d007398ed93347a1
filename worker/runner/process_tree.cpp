#include "worker/runner/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace ns::worker {
namespace {

using Children = std::multimap<pid_t, pid_t>;  // by parent

// The beginning of one small file of /proc; empty when the process has gone.
std::string read_of_process(pid_t process, const char* name) {
  const int file = ::open(("/proc/" + std::to_string(process) + name).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  char bytes[1024];
  const ssize_t count = ::read(file, bytes, sizeof bytes);
  ::close(file);
  return {bytes, static_cast<std::size_t>(count > 0 ? count : 0)};
}

// From "4711 (name) S 1 …"; the name may hold anything, ')' too. 0: not there.
pid_t parent_in(std::string_view stat) {
  const std::size_t after_name = stat.rfind(')');
  constexpr std::size_t kStateAndSpaces = 4;  // ") S "
  if (after_name == std::string_view::npos || stat.size() <= after_name + kStateAndSpaces) return 0;
  const std::string_view rest = stat.substr(after_name + kStateAndSpaces);
  pid_t parent = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), parent);
  return parent;
}

Children all_children() {
  Children children;
  DIR* processes = ::opendir("/proc");
  if (processes == nullptr) return children;
  while (const dirent* entry = ::readdir(processes)) {
    pid_t process = 0;
    const char* const end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, process).ptr != end || process <= 0) continue;
    if (const pid_t parent = parent_in(read_of_process(process, "/stat")); parent > 0)
      children.emplace(parent, process);
  }
  ::closedir(processes);
  return children;
}

std::vector<pid_t> tree_of(pid_t root, const Children& children) {
  std::vector<pid_t> found{root};
  for (std::size_t index = 0; index < found.size(); ++index) {
    const auto [first, last] = children.equal_range(found[index]);
    for (auto child = first; child != last; ++child) found.push_back(child->second);
  }
  return found;
}

std::uint64_t resident_bytes(pid_t process) {  // the second number of statm
  const std::string statm = read_of_process(process, "/statm");
  const std::size_t space = statm.find(' ');
  std::uint64_t pages = 0;
  if (space != std::string::npos) std::from_chars(statm.data() + space + 1, statm.data() + statm.size(), pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::vector<pid_t> descendants_of(pid_t root) {
  std::vector<pid_t> found = tree_of(root, all_children());
  found.erase(found.begin());
  return found;
}

std::vector<std::uint64_t> resident_bytes_of_trees(const std::vector<pid_t>& roots) {
  const Children children = all_children();
  std::vector<std::uint64_t> sums;
  for (const pid_t root : roots) {
    std::uint64_t bytes = 0;
    for (const pid_t process : tree_of(root, children)) bytes += resident_bytes(process);
    sums.push_back(bytes);
  }
  return sums;
}

}  // namespace ns::worker
