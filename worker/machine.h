// What this machine is and which of its cores a worker may use. The only user of hwloc. Any thread; bind() is for the
// process that calls it, before it starts threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ns::worker {

using CpuList = std::vector<int>;  // numbers as the operating system counts them, ascending, each once

CpuList parse_cpus(const std::string& list);  // "0-3,8"; Error(invalid) names --cpus and what is wrong
std::string to_text(const CpuList&);          // the same form, ranges joined

CpuList cpus_of_socket(int socket);           // Error(invalid) names --socket and how many there are
CpuList checked_cpus(const CpuList& wanted);  // Error(invalid) names CPUs that are not there or not allowed
CpuList all_cpus();                           // that this process may use

// Shared out evenly in order; with more slots than CPUs, slots share.
std::vector<CpuList> share_out(const CpuList&, std::size_t slots);

// Binds the calling process: its threads to these CPUs, its memory to their nodes. Error(unavailable).
void bind(const CpuList&);

// Bytes that a process here may use: what is installed, or less where a control group bounds it.
std::uint64_t memory_of_this_machine();

std::string host_name();
std::string cpu_model();
std::vector<std::string> isa_of_this_machine();  // "avx2", "avx512f", "avx512_vnni", "amx_int8", …

}  // namespace ns::worker
