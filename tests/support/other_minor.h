// A message as a program of another minor version of the protocol writes it. Pure; any thread.
#pragma once

#include <cstdint>

#include "common/wire.h"

namespace ns::test {

// 1.(ours + 1): every map, also in lists, has fields that nobody here knows.
wire::Frames as_next_minor(wire::Frames);
// 1.(ours - 1): without the fields that came with ours.
wire::Frames as_previous_minor(wire::Frames);

// A message that only the next minor version has; number 0 is a push.
wire::Frames message_of_next_minor(std::uint64_t number);

}  // namespace ns::test
