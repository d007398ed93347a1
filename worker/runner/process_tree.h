// What runs below a process, and how much memory it takes, read from /proc. Stateless; any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace ns::worker {

std::vector<pid_t> descendants_of(pid_t);  // without itself, parents before children

// Resident bytes of each process and all below it, from one pass over all processes; shared pages count in each.
std::vector<std::uint64_t> resident_bytes_of_trees(const std::vector<pid_t>& roots);

}  // namespace ns::worker
