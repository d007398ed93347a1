// Link: one connection to a broker, as the bench's client and its workers use it. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "common/error.h"
#include "common/net/socket.h"
#include "common/wire.h"

namespace ns::bench {

// A message with its header decoded.
struct Received {
  wire::Header header;
  std::string body;

  template <typename Message>
  bool is() const {
    return header.type == wire::kTypeOf<Message>;
  }
  template <typename Message>
  Message as() const {
    return wire::decode<Message>(body);
  }
};

class Link {
 public:
  Link(net::Context& context, const std::string& endpoint, const net::PeerKeys& keys = {})
      : dealer_(context, endpoint, keys) {}

  // The request's number. Throws when the broker has not read what was sent for too long.
  template <typename Message>
  std::uint64_t send(const Message& message) {
    if (!dealer_.send(wire::encode(++last_, message))) {
      throw Error(ErrorCode::overloaded, "the broker does not read what it is sent");
    }
    return last_;
  }

  // The next message if one is there. An error reply is thrown as Error.
  std::optional<Received> receive() {
    auto frames = dealer_.receive();
    if (!frames) return std::nullopt;
    Received received{wire::decode_header(frames->at(0)), std::move(frames->at(1))};
    if (received.is<ErrorReply>()) {
      const auto reply = received.as<ErrorReply>();
      throw Error(error_code_from(reply.code), reply.message, reply.field);
    }
    return received;
  }
  bool wait(std::chrono::milliseconds most) { return dealer_.wait(most); }

  // The next message of this type; others are dropped. For the time before work begins.
  template <typename Message>
  Message expect() {
    constexpr std::chrono::milliseconds kMost{60'000};  // only a broken broker takes so long
    for (;;) {
      if (const auto received = receive()) {
        if (received->is<Message>()) return received->as<Message>();
      } else if (!wait(kMost)) {
        throw Error(ErrorCode::timeout, "no " + std::string(wire::name_of(wire::kTypeOf<Message>)) + " came");
      }
    }
  }

  const net::Dealer& dealer() const { return dealer_; }

 private:
  net::Dealer dealer_;
  std::uint64_t last_ = 0;
};

}  // namespace ns::bench
