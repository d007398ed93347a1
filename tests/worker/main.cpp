#include <gtest/gtest.h>

#include "worker/runner/self.h"

int main(int count, char** arguments) {
  if (const std::optional<int> status = ns::worker::run_as_child(count, arguments)) return *status;
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
