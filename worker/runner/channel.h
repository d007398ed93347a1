// Channel: messages between a supervisor and its child over a socket pair.
//
//   stream  := message*
//   message := length body        length: four bytes, little endian; body: that many bytes
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
  bool wants_to_write() const { return sent_ < unsent_.size(); }

  // Reads what is there, a bounded part of it. On a blocking end it waits for something. False: nothing is there now,
  // or (see closed()) nothing will come.
  bool read();
  // The next whole message of what was read; valid until the next read(). Error(invalid) for a length over the limit.
  std::optional<std::string_view> next();
  // Both, on a blocking end: waits for a whole message. Nothing: none will come.
  std::optional<std::string_view> receive();
  bool closed() const { return closed_; }

 private:
  void make_room();

  int descriptor_;
  std::string unsent_;
  std::size_t sent_ = 0;                // of unsent_
  std::string received_;                // grows only; what is in it:
  std::size_t taken_ = 0, filled_ = 0;  // messages before taken_ were given out, bytes after filled_ are nobody's
  bool closed_ = false;
};

}  // namespace ns::worker
