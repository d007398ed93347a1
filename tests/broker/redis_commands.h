// RedisCommands: a test's own connection to a redis-server, one command after the other. One thread.
//
// Replies, and their texts, are there as long as the object.
#pragma once

#include <memory_resource>
#include <string>

#include "broker/store/connection.h"
#include "common/net/poll_loop.h"

namespace ns::test {

class RedisCommands {
 public:
  explicit RedisCommands(const std::string& address);  // "unix:/path", "tcp://host:port"

  broker::store::Reply operator()(const broker::store::Arguments& words) { return exchange(words, {}); }
  broker::store::Reply exchange(const broker::store::Arguments& first, const broker::store::Arguments& rest);

  std::string info(const std::string& name);  // one line of INFO

 private:
  std::pmr::monotonic_buffer_resource memory_;
  net::PollLoop loop_;
  broker::store::Connection connection_;
};

}  // namespace ns::test
