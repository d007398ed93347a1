// Network: hosts on one switch, each a network namespace with an address of its own.
//
// Nothing of it is seen outside: addresses clash with nobody's, and all of it vanishes with the object or with the
// test, however that ends, because a namespace lasts as long as the process that holds it. Needs root. Owned by one
// test, used by its thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/processes.h"

namespace ns::testing {

class Network {
 public:
  // Why a network cannot be made here; empty when it can.
  static std::string obstacle();

  explicit Network(int hosts);  // numbered from 1
  ~Network();                   // the calling thread is at home again
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  static std::string address(int host) { return "10.77.0." + std::to_string(host); }

  // The words of a command that run it on that host.
  std::vector<std::string> at(int host, const std::vector<std::string>& words) const;
  // From now on the calling thread, and whatever it starts, is on that host.
  void enter(int host) const;

  void cut(int host);   // nothing comes or goes any more, and nobody is told
  void join(int host);  // as before

 private:
  struct Namespace;  // held by a process that does nothing else

  void attach(int host);

  std::vector<std::unique_ptr<Namespace>> spaces_;  // the switch, then the hosts
  int home_ = -1;                                   // descriptor of the namespace that the test began in
};

}  // namespace ns::testing
