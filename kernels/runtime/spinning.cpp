#include "kernels/runtime/spinning.h"

#include <unistd.h>

#include <cstdlib>

namespace ns::runtime {

bool spinning_is_chosen() {
  return std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr;
}

void restart_with_bounded_spinning(char** arguments) {
  if (spinning_is_chosen()) return;
  ::putenv(const_cast<char*>(kBoundedSpinning));
  ::execv("/proc/self/exe", arguments);  // returns only when it fails, and then the run goes on without the bound
}

}  // namespace ns::runtime
