// HeldReplies: answers that wait until replicas have what they tell of. Made by Client for the calls that leave
// together; the loop's thread only.
#pragma once

#include <memory_resource>
#include <vector>

#include "broker/store/connection.h"

namespace ns::broker::store {

class HeldReplies {
 public:
  void hold(const Reply&, Connection::Callback);  // copies it; an error is given at once: it promises nothing

  void release();             // gives each
  void refuse(const Error&);  // gives the error in place of each

 private:
  struct Held {
    Reply reply;
    Connection::Callback callback;
  };

  std::pmr::monotonic_buffer_resource memory_;
  std::vector<Held> held_;
};

}  // namespace ns::broker::store
