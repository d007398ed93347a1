#include "worker/runner/process_tree.h"

#include <dirent.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace ns::worker {
namespace {

// children of every process, from one pass over /proc
std::multimap<pid_t, pid_t> children_by_parent() {
  std::multimap<pid_t, pid_t> children;
  DIR* processes = ::opendir("/proc");
  if (processes == nullptr) return children;
  while (const dirent* entry = ::readdir(processes)) {
    pid_t process = 0;
    const char* const end = entry->d_name + std::strlen(entry->d_name);
    if (std::from_chars(entry->d_name, end, process).ptr != end || process <= 0) continue;
    std::ifstream file("/proc/" + std::to_string(process) + "/stat");
    std::string line;
    if (!std::getline(file, line)) continue;
    const std::size_t after_name = line.rfind(')');  // the name may hold anything, ')' too
    if (after_name == std::string::npos) continue;
    std::istringstream rest(line.substr(after_name + 1));
    char state = 0;
    pid_t parent = 0;
    if (rest >> state >> parent) children.emplace(parent, process);
  }
  ::closedir(processes);
  return children;
}

std::uint64_t resident_bytes(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/statm");
  std::uint64_t size = 0, resident = 0;
  if (!(file >> size >> resident)) return 0;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::vector<pid_t> descendants_of(pid_t root) {
  const auto children = children_by_parent();
  std::vector<pid_t> found{root};
  for (std::size_t index = 0; index < found.size(); ++index) {
    const auto [first, last] = children.equal_range(found[index]);
    for (auto child = first; child != last; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

std::uint64_t resident_bytes_of_tree(pid_t root) {
  std::uint64_t bytes = resident_bytes(root);
  for (pid_t process : descendants_of(root)) bytes += resident_bytes(process);
  return bytes;
}

}  // namespace ns::worker
