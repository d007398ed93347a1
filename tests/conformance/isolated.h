// Work that may crash, item by item: it runs in a child process, and an item that ends the child costs only itself.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace ns::conformance {

// What `work` says of each of the items 0 to count - 1. An item on which the child died, or took longer than so many
// seconds, has what `died` makes of the reason instead. Call it before there are threads.
std::vector<std::string> run_isolated(std::size_t count, int seconds_each,
                                      const std::function<std::string(std::size_t)>& work,
                                      const std::function<std::string(const std::string& reason)>& died);

}  // namespace ns::conformance
