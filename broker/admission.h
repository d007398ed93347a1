// Admission: how much one peer, and all together, may ask of this broker at once. What is over a bound is refused with
// `overloaded` and a time after which to try again, never buffered.
//
// A request counts from its arrival until nothing waits for its answer any more. Owned by Broker; the loop's thread
// only; must outlive every Place.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "common/clock.h"
#include "common/error.h"
#include "common/net/socket.h"

namespace ns::broker {

struct AdmissionLimits {
  // Of one connection. A worker has a heartbeat, a few reports and an upload's window under way.
  std::size_t requests_of_peer = 1024;
  std::size_t bytes_of_peer = 64u << 20;
  // Of all, and then one more for each connection: what the broker's memory is good for.
  std::size_t requests = 65'536;
  std::size_t bytes = 512u << 20;
  // Submissions a second of one key, or of one connection where there are no keys; 0: unbounded. Unused ones are
  // saved up for kBurst seconds, so that a script may submit thousands at once.
  std::uint32_t submissions_a_second = 2000;
};

class Overloaded : public Error {
 public:
  Overloaded(const std::string& sentence, std::chrono::milliseconds retry_after)
      : Error(ErrorCode::overloaded, sentence), retry_after_(retry_after) {}
  std::chrono::milliseconds retry_after() const { return retry_after_; }

 private:
  std::chrono::milliseconds retry_after_;
};

class Admission {
 public:
  // A request that is under way, for as long as any copy of this lives.
  using Place = std::shared_ptr<const void>;

  static constexpr double kBurst = 10;  // seconds

  Admission(const AdmissionLimits&, const Clock&);

  Place admit(const net::Peer&, std::size_t bytes);  // Overloaded
  void admit_submission(const std::string& sender);  // Overloaded

  std::size_t requests() const { return all_.requests; }
  std::size_t remembered_senders() const { return submitters_.size(); }

 private:
  struct Use {
    std::size_t requests = 0;
    std::size_t bytes = 0;
  };
  struct Bucket {
    double left = 0;
    Clock::Time filled;
  };
  class Held;

  double full() const;
  Bucket filled(const Bucket&) const;
  void forget_idle();

  const AdmissionLimits limits_;
  const Clock& clock_;
  Use all_;
  std::unordered_map<net::Peer, Use> peers_;  // those with requests under way
  std::unordered_map<std::string, Bucket> submitters_;
  std::size_t forget_at_ = 64;  // so many submitters are remembered before idle ones are looked for
};

}  // namespace ns::broker
