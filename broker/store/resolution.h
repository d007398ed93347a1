// Resolution: looks up a host's addresses without holding anybody up: getaddrinfo waits for name servers, so a thread
// of its own waits with it. Owned by one connection, used by its thread only; may be dropped at any time.
#pragma once

#include <netdb.h>

#include <memory>

#include "broker/store/address.h"

namespace ns::broker::store {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

// What the host is if it is an address already; nothing where it is a name.
Addresses numeric_addresses(const Address&);

class Resolution {
 public:
  // Error(unavailable) while too many name servers are waited for already.
  explicit Resolution(const Address&);

  // A descriptor of the caller's own, that becomes readable once there is a result.
  int watched() const;
  // REQUIRES: there is. Error(unavailable): no such host, or nobody knows.
  Addresses take();

 private:
  struct Shared;  // with the thread
  std::shared_ptr<Shared> shared_;
};

}  // namespace ns::broker::store
