// EventWaiters: read_events requests that wait for something to read (long poll). What is to be read in a turn is asked
// of Redis at its end, behind what the turn writes: so one reading finds it.
//
// Owned by Broker; the loop's thread only. Bounded: who comes when it is full is answered at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/request.h"
#include "common/clock.h"
#include "common/messages.h"

namespace ns::broker {

class EventWaiters {
 public:
  EventWaiters(store::Client&, const Clock&);

  void read(const Request&, const ReadEvents&);
  void wake(const std::string& task);          // it has a new event
  void wake_listed(const std::string& tasks);  // as events_channel carries it: those who want these types of events
  void wake_all();                             // wake-ups may have been missed
  void expire();                               // answers those whose wait has ended
  void flush();                                // at the end of a turn

 private:
  struct Waiter;
  using Waiters = std::multimap<std::string, std::shared_ptr<Waiter>>;  // by task

  void make_due(const std::shared_ptr<Waiter>&);
  void wake(const std::string& task, const std::vector<std::string>& types);
  void read(const std::shared_ptr<Waiter>&);
  void answered(const std::shared_ptr<Waiter>&, const store::Reply&);
  void forget(const std::shared_ptr<Waiter>&);

  store::Client& store_;
  const Clock& clock_;
  Waiters waiters_;
  std::vector<std::shared_ptr<Waiter>> due_;  // read at the end of the turn
};

}  // namespace ns::broker
