// Client: calls the functions in Redis (scripts/*.lua) and hears their wake-ups. Finds Redis, loads the library, and
// does both again for ever, with backoff, when it is lost; while Redis is away every call is answered with
// Error(unavailable) at once.
//
// Owned by Broker; the loop's thread only. Calls made in one turn leave together (pipelined), and are answered in
// order; where replicas are asked for, the answers that promise something wait for them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "broker/store/address.h"
#include "broker/store/arguments.h"
#include "broker/store/connection.h"
#include "broker/store/opening.h"
#include "broker/store/reply.h"
#include "broker/store/settings.h"
#include "common/net/poll_loop.h"

namespace ns::broker::store {

class HeldReplies;
class Sentinels;

class Client {
 public:
  struct Listener {
    // Redis is there (again). Wake-ups may have been missed.
    std::function<void()> on_resumed;
    // Other data than before: Redis was emptied, and everything is gone.
    std::function<void()> on_emptied;
    // This Redis must not be used with these settings, or holds another version's data; it is tried again.
    std::function<void(const Error&)> on_refused;
    // Wake-ups that any broker's call caused.
    std::function<void()> on_work;
    std::function<void(std::string_view tasks)> on_event;
    std::function<void(std::string_view stop)> on_stop;      // "<worker> <job> <token> <outcome>"
    std::function<void(std::string_view worker)> on_worker;  // "<worker> <session>", or "<worker> <session> drain"
  };

  // Error(invalid) where the settings are wrong.
  Client(net::PollLoop&, Settings, Listener);
  ~Client();

  // `function` as its file is named: "submit". An error reply is given as a Reply with is_error(); each means that
  // nothing was done, or that it is not known and the same call may be made again.
  // The reply is there during the callback only.
  void call(std::string_view function, const Arguments&, Connection::Callback);

  void flush();  // at the end of a turn: what its calls gathered leaves

  bool is_ready() const { return ready_ && replicated_; }  // for calls that write

 private:
  // ---- reaching Redis
  void find();
  void connect(const Address&);
  void opened(const Opened&);
  void learn_instance(const std::string&);
  void listen();
  void resumed();
  void refused(const Error&);
  void lost(const std::string& why);
  void noticed(const Reply& error);  // an answer that tells of a change there
  // ---- each second: whether all is as it was
  void look();
  void look_at_progress();
  void look_at_instance();
  void look_at_primary();
  // ---- replicas
  void await_replicas();
  void settle(HeldReplies&, const Reply& count);
  void set_replicated(bool);
  void probe_replicas();

  net::PollLoop& loop_;
  const Settings settings_;
  const Location location_;
  const Listener listener_;
  std::unique_ptr<Sentinels> sentinels_;  // where there are any
  Address server_;                        // in use
  std::unique_ptr<Connection> commands_;
  std::unique_ptr<Connection> wake_ups_;
  Opened opened_;
  std::string instance_;  // of the data that was used last
  std::chrono::milliseconds backoff_;
  bool ready_ = false;
  bool reconnecting_ = false;
  std::uint64_t connections_ = 0;  // made so far: answers of an old one change nothing
  std::uint64_t progress_ = 0;     // answers at the last look, and
  int looks_without_progress_ = 0;
  std::shared_ptr<HeldReplies> held_;  // of the calls since the last flush
  bool awaiting_replicas_ = false;     // until then nothing more is sent: Redis would not look at it
  bool replicated_ = true;             // enough replicas had the last writes
};

}  // namespace ns::broker::store
