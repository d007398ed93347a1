// One connection to Redis, driven by a PollLoop: a socket that never blocks, commands written together, replies given
// in order. Owned by Client; the loop's thread only.
//
// Made to be lost: when Redis goes away, every command that waits is answered with Error(unavailable), then on_closed
// is called, and the object is of no more use.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/store/address.h"
#include "broker/store/arguments.h"
#include "broker/store/reply.h"
#include "broker/store/resolution.h"
#include "common/net/poll_loop.h"

struct addrinfo;
struct sockaddr;

namespace ns::broker::store {

class Connection {
 public:
  using Callback = std::function<void(const Reply&)>;  // an error reply when there will be none

  // Error(unavailable) where it fails at once. A host's name is looked up meanwhile; commands wait.
  Connection(net::PollLoop&, const Address&, std::function<void(const std::string& why)> on_closed);
  ~Connection();  // silently: nothing is called any more
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // What is done with a connection that is not wanted any more, also from within its own callbacks: it calls nothing
  // but the callbacks of commands that wait, with Error(unavailable), and is gone at the loop's next turn.
  static void retire(net::PollLoop&, std::unique_ptr<Connection>);

  // Called with each error reply, before the command's own callback.
  void on_error(std::function<void(const Reply&)> callback) { on_error_ = std::move(callback); }

  // Leaves with the next flush(). The words may come in two parts.
  void command(const Arguments& words, Callback callback) { command(words, {}, std::move(callback)); }
  void command(const Arguments& first, const Arguments& rest, Callback);
  // Every message of these channels, and one call with empty texts once all are subscribed.
  using MessageCallback = std::function<void(std::string_view channel, std::string_view message)>;
  void subscribe(const std::vector<std::string>& channels, MessageCallback);

  // Writes what commands have gathered; what Redis does not take yet follows as it reads.
  void flush();

  std::size_t waiting() const { return waiting_.size(); }                 // commands without an answer
  std::uint64_t answered() const { return answered_; }                    // commands so far
  std::size_t unwritten() const { return unwritten_.size() - written_; }  // bytes

 private:
  // False: it is being connected.
  bool open_unix(const Address&);
  bool open_tcp(const addrinfo& first);
  bool connect_to(const sockaddr*, unsigned size);

  void watch(net::PollLoop::Interest);
  void ready(net::PollLoop::Ready);
  void resolved();
  void connected();
  void write();
  void read();
  const Reply* next_reply();
  void deliver(const Reply&);
  void receive_message(const Reply&);
  void close(const std::string& why);

  net::PollLoop& loop_;
  std::function<void(const std::string&)> on_closed_;
  std::function<void(const Reply&)> on_error_;
  bool retired_ = false;
  const std::string text_;                // of its address
  std::optional<Resolution> resolution_;  // of its host's name, on its way
  int descriptor_ = -1;                   // of the resolution while there is one, then of the socket
  bool connecting_ = false;
  bool blocked_ = false;  // Redis does not take more now: written as the socket says so
  std::string unwritten_;
  std::size_t written_ = 0;  // of unwritten_
  ReplyReader reader_;
  std::deque<Callback> waiting_;
  std::uint64_t answered_ = 0;
  MessageCallback on_message_;
  std::size_t unsubscribed_ = 0;  // channels that Redis has not confirmed yet
};

}  // namespace ns::broker::store
