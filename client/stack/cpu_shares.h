// Which cores each worker of a private stack gets. Pure, but for the one function that asks the system.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace ns::client::stack {

struct Cpu {
  int number = 0;
  int socket = 0;
  int core = 0;  // hardware threads of one core share it
};

// Those that this process may run on, as the system numbers them.
std::vector<Cpu> usable_cpus();

std::vector<int> sockets_of(const std::vector<Cpu>&);

// `workers` lists for --cpus: cores are shared out evenly, neighbours together, a core's hardware threads never apart;
// workers beyond the number of cores share cores, in turn.
std::vector<std::string> share_out(std::vector<Cpu>, std::size_t workers);

// {0, 1, 2, 5} -> "0-2,5"
std::string cpu_list(std::vector<int> numbers);

}  // namespace ns::client::stack
