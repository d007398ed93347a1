// Broker: accepts, stores, leases. One event loop over ZeroMQ and Redis that never blocks; keeps nothing that matters.
//
// Owned by main, or by a test; used by one thread. stop() and reload() may be called from a signal handler.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/parts.h"

namespace ns::broker {

class Broker {
 public:
  // Binds the endpoints; Error names what is wrong with an option.
  explicit Broker(Options);
  ~Broker();

  // Serves until stop(). `ready` is called once, when Redis is there, with the endpoints as bound. Error(unsupported)
  // when Redis holds data of another version.
  using Ready = std::function<void(const std::vector<std::string>& endpoints)>;
  void run(const Ready& ready);
  void stop();
  void reload();  // reads the list of authorized keys again; a list that is wrong is told of and changes nothing

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ns::broker
