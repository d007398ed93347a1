// PollLoop: one thread that waits for sockets, file descriptors and timers, and calls what was asked for.
//
// Owned and used by one thread; only stop() may be called from another or from a signal handler. Callbacks may add and
// remove watches and timers, their own too. A callback that throws ends run() or turn() with that exception.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/net/socket.h"

namespace ns::net {

class PollLoop {
 public:
  using Callback = std::function<void()>;
  using TimerId = std::uint64_t;

  struct Interest {
    bool read = false;
    bool write = false;
  };
  // `readable` also when the other end hung up or the descriptor is in error: reading says which.
  struct Ready {
    bool readable = false;
    bool writable = false;
  };
  using DescriptorCallback = std::function<void(Ready)>;

  explicit PollLoop(const Clock& clock = steady_clock());
  ~PollLoop();
  PollLoop(const PollLoop&) = delete;
  PollLoop& operator=(const PollLoop&) = delete;

  // Called while messages are there; the callback should receive until there is none, or a bounded number (it is
  // called again in the next turn).
  void watch(const Router&, Callback readable);
  void watch(const Dealer&, Callback readable);
  void unwatch(const Router&);
  void unwatch(const Dealer&);  // before the socket is destroyed

  // A second watch of the same descriptor replaces the first.
  void watch(int descriptor, Interest, DescriptorCallback);
  void unwatch(int descriptor);

  TimerId after(std::chrono::nanoseconds delay, Callback);
  TimerId every(std::chrono::nanoseconds period, Callback);  // first after one period; late calls are not made up for
  void cancel(TimerId);                                      // of a timer that has fired or never was: nothing happens

  // Called at the end of each turn, after all that was due: the place to send what a turn gathered.
  void at_turn_end(Callback);

  // Waits until something is due, at most `most`, and does it.
  void turn(std::chrono::milliseconds most);
  void run();   // turns until stop()
  void stop();  // run() returns after this turn

 private:
  struct Watch;
  struct Polled;
  struct Timer {
    Clock::Time due;
    std::chrono::nanoseconds period{0};  // 0: once
    std::shared_ptr<Callback> callback;
  };

  void watch_socket(void* socket, Callback);
  void unwatch_socket(void* socket);
  std::chrono::milliseconds until_next_timer(std::chrono::milliseconds most) const;
  void poll(std::chrono::milliseconds most);
  TimerId add_timer(std::chrono::nanoseconds delay, std::chrono::nanoseconds period, Callback);
  void run_timers();

  const Clock& clock_;
  std::vector<std::shared_ptr<Watch>> watches_;
  std::uint64_t changes_ = 0;       // of watches_
  std::unique_ptr<Polled> polled_;  // watches_ as ZeroMQ wants them; none while they are in use
  std::map<TimerId, Timer> timers_;
  std::set<std::pair<Clock::Time, TimerId>> schedule_;  // of timers_, the next one first
  TimerId last_timer_ = 0;
  std::vector<Callback> turn_ends_;
  std::atomic<bool> stopping_{false};
};

}  // namespace ns::net
