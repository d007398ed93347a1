#include "tests/bench/queue/crowd.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <stdexcept>

namespace ns::bench {

Crowd::Crowd(net::PollLoop& loop) : loop_(loop), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw std::runtime_error("no epoll");
  loop_.watch(epoll_, {.read = true}, [this](net::PollLoop::Ready) { look(); });
}

Crowd::~Crowd() {
  loop_.unwatch(epoll_);
  ::close(epoll_);
}

void Crowd::watch(const net::Dealer& dealer, const Callback& readable) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = const_cast<Callback*>(&readable);
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, dealer.descriptor(), &event) != 0) throw std::runtime_error("epoll_ctl failed");
}

void Crowd::look() {
  constexpr int kMost = 256;
  epoll_event events[kMost];
  const int count = ::epoll_wait(epoll_, events, kMost, 0);
  for (int i = 0; i < count; ++i) (*static_cast<const Callback*>(events[i].data.ptr))();
}

}  // namespace ns::bench
