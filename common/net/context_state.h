// What a Context holds; for the sources of common/net alone.
#pragma once

#include <zmq.hpp>

#include "common/net/socket.h"

namespace ns::net {

struct Context::State {
  zmq::context_t context{1};
};

}  // namespace ns::net
