// What runs below a process, and how much memory it takes, read from /proc. Stateless; any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

namespace ns::worker {

std::vector<pid_t> descendants_of(pid_t);  // without itself, parents before children

// Resident bytes of the process and all below it; shared pages count in each.
std::uint64_t resident_bytes_of_tree(pid_t);

}  // namespace ns::worker
