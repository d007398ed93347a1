// Network: simulated hosts whose links can be cut, slowed, and made to lose, double and reorder packets.
//
// Each host is a network namespace whose only way out is a TUN device. A thread of this process carries the packets
// from device to device and treats each as the links of its two hosts are told to, so nothing of the kernel's traffic
// control is needed. Nothing outlives the process: no name, no device, no file.
// Links may be set by any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ns::torture {

// Of one host to all others; both directions but for the cuts.
struct Link {
  bool cut_out = false;  // what the host sends is lost
  bool cut_in = false;   // what is sent to it is lost
  std::chrono::microseconds delay{0};
  std::chrono::microseconds jitter{0};  // up to so much more a packet: they overtake each other
  double lost = 0;                      // part of the packets
  double doubled = 0;
};

struct PacketCounts {
  std::uint64_t carried = 0, lost = 0, doubled = 0, delayed = 0;
};

class Network {
 public:
  // Why this machine or user cannot have one; empty when it can.
  static std::string obstacle();

  explicit Network(const std::vector<std::string>& hosts);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  std::string address(const std::string& host) const;   // its IPv4 address
  std::string entrance(const std::string& host) const;  // the namespace as a file, for enter()
  void set(const std::string& host, const Link&);
  PacketCounts counts() const;

  // The calling thread, and what it starts, lives in that host from now on.
  static void enter(const std::string& entrance);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ns::torture
