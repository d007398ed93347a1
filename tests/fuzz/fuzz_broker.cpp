// Any messages, in any order, from three peers at once: every handler, with a real Redis behind it.
#include <vector>

#include "tests/fuzz/broker_play.h"

// The broker's threads allocate and free when they like, which libFuzzer takes for a leak of the input at hand; looking
// for one after each input would take nearly all of the time. What really leaks is reported when the process ends.
extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
  static char no_leaks_by_input[] = "-detect_leaks=0";
  static std::vector<char*> all(*arguments, *arguments + *count);
  all.push_back(no_leaks_by_input);
  *count = static_cast<int>(all.size());
  all.push_back(nullptr);
  *arguments = all.data();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static ns::fuzz::BrokerPlay play;
  play.play(data, size);
  return 0;
}
