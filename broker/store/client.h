// Client: calls the functions in Redis (scripts/*.lua) and hears their wake-ups. Reconnects for ever, with backoff, and
// loads the library each time; while Redis is away every call is answered with Error(unavailable) at once.
//
// Owned by Broker; the loop's thread only. Calls made in one turn leave together (pipelined), and are answered in
// order.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/store/arguments.h"
#include "broker/store/connection.h"
#include "broker/store/reply.h"
#include "common/net/poll_loop.h"

namespace ns::broker::store {

class Client {
 public:
  // Wake-ups that any broker's call caused. After a reconnection some may have been missed: on_resumed says so.
  struct Listener {
    std::function<void()> on_resumed;
    std::function<void()> on_work;
    std::function<void(std::string_view task)> on_event;
    std::function<void(std::string_view stop)> on_stop;  // "<worker> <job> <token> <outcome>"
    std::function<void(const Error&)> on_wrong_schema;   // another version's data: never to be touched
  };

  Client(net::PollLoop&, const std::string& address, Listener);
  ~Client();

  // `function` as its file is named: "submit". An error reply is given as a Reply with is_error().
  // The reply is there during the callback only.
  void call(std::string_view function, const Arguments&, Connection::Callback);

  void flush();  // at the end of a turn: what its calls gathered leaves

  bool is_ready() const { return ready_; }

 private:
  void connect();
  void load();
  void opened(const Reply&);
  void listen(const Reply& opened);
  void lost(const std::string& why);
  void drop_ended();

  net::PollLoop& loop_;
  const std::string address_text_;
  const Address address_;
  const Listener listener_;
  std::unique_ptr<Connection> commands_;
  std::unique_ptr<Connection> wake_ups_;
  std::vector<std::unique_ptr<Connection>> ended_;  // dropped outside their own callbacks
  std::chrono::milliseconds backoff_;
  bool ready_ = false;
  bool reconnecting_ = false;
};

}  // namespace ns::broker::store
