// How long an OpenMP thread spins at the end of a parallel region before it sleeps. libgomp reads it when it is loaded,
// so it has to be in the environment before a process starts.
#pragma once

namespace ns::runtime {

// Where another process takes one of the cores, a thread that spins for milliseconds waits for one that cannot run;
// some ten microseconds are enough for primitives that follow each other.
inline constexpr char kBoundedSpinning[] = "GOMP_SPINCOUNT=30000";

bool spinning_is_chosen();  // the user has set GOMP_SPINCOUNT or OMP_WAIT_POLICY, and that stays

// Starts this program again with the bound in its environment, unless it is chosen already. For a main that runs
// models itself; call it before there are threads.
void restart_with_bounded_spinning(char** arguments);

}  // namespace ns::runtime
