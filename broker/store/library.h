// The function library that runs inside Redis, as text for FUNCTION LOAD.
#pragma once

namespace ns::broker::store {

extern const char* const kLibrary;

}  // namespace ns::broker::store
