// Channel: messages between a supervisor and its child over a socket pair.
//
//   stream  := message*
//   message := length body        length: four bytes, little endian; body: that many bytes, JSON
//
// One end reads and writes without blocking (the supervisor), the other blocks (the child). Sending and receiving share
// nothing, so one thread may send while another receives.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ns::worker {

class Channel {
 public:
  explicit Channel(int descriptor) : descriptor_(descriptor) {}
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int descriptor() const { return descriptor_; }

  // Sends what can be sent now; the rest goes with the next flush(). On a blocking end: all of it. False: the other end
  // has gone.
  bool send(std::string_view message);
  bool flush();
  bool wants_to_write() const { return !unsent_.empty(); }

  // The next whole message. Nothing: none is there now, or (see closed()) none will come. Error(invalid) for a length
  // over the limit.
  std::optional<std::string> receive();
  bool closed() const { return closed_; }

 private:
  int descriptor_;
  std::string unsent_;
  std::string received_;
  bool closed_ = false;
};

}  // namespace ns::worker
