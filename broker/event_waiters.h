// EventWaiters: read_events requests that wait for something to read (long poll).
//
// Owned by Broker; the loop's thread only. Bounded: who comes when it is full is answered at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "broker/request.h"
#include "common/clock.h"
#include "common/messages.h"

namespace ns::broker {

class EventWaiters {
 public:
  EventWaiters(store::Client&, const Clock&);

  void read(const Request&, const ReadEvents&);
  void wake(const std::string& task);          // it has a new event
  void wake_listed(const std::string& tasks);  // "<task> <task> …"
  void wake_all();                             // wake-ups may have been missed
  void expire();                               // answers those whose wait has ended

 private:
  struct Waiter;
  using Waiters = std::multimap<std::string, std::shared_ptr<Waiter>>;  // by task

  void read(const std::shared_ptr<Waiter>&);
  void answered(const std::shared_ptr<Waiter>&, const store::Reply&);
  void forget(const std::shared_ptr<Waiter>&);

  store::Client& store_;
  const Clock& clock_;
  Waiters waiters_;
};

}  // namespace ns::broker
