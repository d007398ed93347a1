// RedisConnection: the bench's own connection to its redis-server: for what Redis says of itself, and for driving the
// functions without a broker. Commands may be appended and their replies read later (pipelined).
//
// One thread. An error reply is thrown; another one is there until the next is read.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "broker/store/reply.h"

struct redisContext;

namespace ns::bench {

using Words = std::vector<std::string>;

class RedisConnection {
 public:
  explicit RedisConnection(const std::filesystem::path& socket);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  void append(const Words&);
  void flush();                                // what was appended leaves now; read() does it too
  broker::store::Reply read();                 // the oldest unread reply
  broker::store::Reply command(const Words&);  // REQUIRES: no reply is unread

 private:
  redisContext* context_;
  broker::store::ReplyReader reader_;
  bool read_ = false;  // the reader holds the reply that read() gave last
};

// What Redis says of itself.
struct RedisFigures {
  std::uint64_t memory_bytes = 0;
  std::uint64_t append_only_bytes = 0;
  struct Command {
    std::uint64_t calls = 0;
    std::uint64_t microseconds = 0;
  };
  std::map<std::string, Command> commands;  // by name, also those that functions call

  RedisFigures operator-(const RedisFigures& earlier) const;  // memory may shrink: then 0
};
RedisFigures figures_of(RedisConnection&);

}  // namespace ns::bench
