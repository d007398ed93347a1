// Crowd: waits for thousands of connections at the price of those on which something comes, where a PollLoop looks at all
// of them each time: what plays the workers must not take the CPU from what is measured.
//
// Owned and used by one thread, within a PollLoop that outlives it.
#pragma once

#include <functional>

#include "common/net/poll_loop.h"
#include "common/net/socket.h"

namespace ns::bench {

class Crowd {
 public:
  using Callback = std::function<void()>;

  explicit Crowd(net::PollLoop&);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  net::PollLoop& loop() { return loop_; }
  // Called when something may have come; see Dealer::descriptor(). Both must be there as long as this is.
  void watch(const net::Dealer&, const Callback& readable);

 private:
  void look();

  net::PollLoop& loop_;
  int epoll_;
};

}  // namespace ns::bench
