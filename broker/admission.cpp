#include "broker/admission.h"

#include <algorithm>
#include <utility>

namespace ns::broker {
namespace {

using namespace std::chrono_literals;

// Until what is under way has been answered; a guess, as nobody knows.
constexpr std::chrono::milliseconds kRetryAfter = 200ms;

}  // namespace

class Admission::Held {
 public:
  Held(Admission& admission, const net::Peer& peer, std::size_t bytes)
      : admission_(admission), peer_(peer), bytes_(bytes) {
    for (Use* use : {&admission_.all_, &admission_.peers_[peer_]}) {
      ++use->requests;
      use->bytes += bytes_;
    }
  }
  ~Held() {
    const auto found = admission_.peers_.find(peer_);
    for (Use* use : {&admission_.all_, &found->second}) {
      --use->requests;
      use->bytes -= bytes_;
    }
    if (found->second.requests == 0) admission_.peers_.erase(found);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  Admission& admission_;
  const net::Peer peer_;
  const std::size_t bytes_;
};

Admission::Admission(const AdmissionLimits& limits, const Clock& clock) : limits_(limits), clock_(clock) {}

Admission::Place Admission::admit(const net::Peer& peer, std::size_t bytes) {
  const auto found = peers_.find(peer);
  const Use use = found == peers_.end() ? Use{} : found->second;
  if (use.requests >= limits_.requests_of_peer) {
    throw Overloaded("this connection has " + std::to_string(use.requests) +
                         " unanswered requests: wait for answers before sending more",
                     kRetryAfter);
  }
  if (use.requests > 0 && use.bytes + bytes > limits_.bytes_of_peer) {
    throw Overloaded("this connection's unanswered requests have " + std::to_string(use.bytes) +
                         " bytes: wait for answers before sending more",
                     kRetryAfter);
  }
  // Who has nothing under way is served even so: those who fill the broker cannot shut the others out.
  if (use.requests > 0 && (all_.requests >= limits_.requests || all_.bytes + bytes > limits_.bytes)) {
    throw Overloaded("the broker has " + std::to_string(all_.requests) + " requests under way", kRetryAfter);
  }
  return std::make_shared<Held>(*this, peer, bytes);
}

double Admission::full() const { return limits_.submissions_a_second * kBurst; }

Admission::Bucket Admission::filled(const Bucket& bucket) const {
  const Clock::Time now = clock_.now();
  const std::chrono::duration<double> since = now - bucket.filled;
  return {std::min(full(), bucket.left + since.count() * limits_.submissions_a_second), now};
}

void Admission::admit_submission(const std::string& sender) {
  if (limits_.submissions_a_second == 0) return;
  if (submitters_.size() >= forget_at_) forget_idle();
  Bucket& bucket = submitters_.try_emplace(sender, Bucket{full(), clock_.now()}).first->second;
  bucket = filled(bucket);
  if (bucket.left < 1) {
    const std::chrono::duration<double> until((1 - bucket.left) / limits_.submissions_a_second);
    throw Overloaded("more than " + std::to_string(limits_.submissions_a_second) + " submissions a second: slow down",
                     std::max(1ms, std::chrono::ceil<std::chrono::milliseconds>(until)));
  }
  bucket.left -= 1;
}

// A full bucket says nothing: its owner is as good as new.
void Admission::forget_idle() {
  std::erase_if(submitters_, [&](const auto& entry) { return filled(entry.second).left >= full(); });
  forget_at_ = std::max<std::size_t>(64, 2 * submitters_.size());
}

}  // namespace ns::broker
