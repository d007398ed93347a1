// One asynchronous connection to Redis, driven by a PollLoop. Owned by Client; the loop's thread only.
//
// Made to be lost: when Redis goes away, every command that waits is answered with Error(unavailable), then on_closed
// is called, and the object is of no more use.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "broker/store/reply.h"
#include "common/net/poll_loop.h"

struct redisAsyncContext;

namespace ns::broker::store {

// "unix:/path/redis.sock" or "tcp://host:port".
struct Address {
  std::string path;  // of a unix socket, or
  std::string host;
  int port = 0;
};
Address parse_address(const std::string& text);  // Error(invalid) says what is right

class Connection {
 public:
  using Callback = std::function<void(const Reply&)>;  // an error reply when there will be none

  Connection(net::PollLoop&, const Address&, std::function<void(const std::string& why)> on_closed);
  ~Connection();  // silently: nothing is called any more
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Answers every command that waits with Error(unavailable) and closes. Not from within a callback of this connection.
  void end();

  void command(const std::vector<std::string>& words, Callback);
  // Every message of these channels, and one call with empty texts once all are subscribed.
  using MessageCallback = std::function<void(const std::string& channel, const std::string& message)>;
  void subscribe(const std::vector<std::string>& channels, MessageCallback);

  // Writes what commands have gathered, without waiting for the loop to find the socket writable.
  void flush();

  std::size_t waiting() const { return waiting_; }  // commands without an answer

 private:
  struct Pending;
  struct Hooks;
  void watch();
  void ready(net::PollLoop::Ready);
  void closed(const std::string& why);

  net::PollLoop& loop_;
  redisAsyncContext* context_ = nullptr;
  std::function<void(const std::string&)> on_closed_;
  MessageCallback on_message_;
  std::size_t unsubscribed_ = 0;  // channels that Redis has not confirmed yet
  std::size_t waiting_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool ending_ = false;  // in the destructor
};

}  // namespace ns::broker::store
