// BrokerPlay: a broker, its Redis, and three peers that send what an input says: valid messages about tasks, jobs and
// sessions that exist, the same with wrong values in them, and bytes that are no message at all.
//
// A plain peer may send everything, so that every handler is reached. What must hold whatever is sent: the broker goes
// on answering, its answers decode, and none of them says that it has a defect (`internal`). One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace ns::fuzz {

class BrokerPlay {
 public:
  BrokerPlay();
  ~BrokerPlay();
  BrokerPlay(const BrokerPlay&) = delete;
  BrokerPlay& operator=(const BrokerPlay&) = delete;

  // Plays one input and waits until the broker has done with it; throws when something does not hold.
  //
  //   input  := action*
  //   action := peer:u8 type:u8 how:u8 length:u8 choices:u8[length]
  //
  // Peer is 0, 1 or 2 (modulo), type a message's number. A field takes a choice or more in the order of the message's
  // fields; what is missing at the end is zero, the usual value, so that a field that is added does not shift the rest.
  //   how 0-199    the message with its fields as chosen
  //   how 200-229  the same, then a few bytes of the body are changed
  //   how 230-244  the choices are the body
  //   how 245-255  the frames are damaged: header, number of frames, attachment
  // Where how % 8 is 7, what follows waits until all is answered.
  void play(const std::uint8_t* data, std::size_t size);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ns::fuzz
