// Peers: the other brokers on this Redis, and requests to them.
//
// A broker says in Redis where others reach it (--advertise), again and again; one that falls silent is remembered for
// a while, because it may come back with what only it holds. Requests are those of common/messages.h, each answered
// once: by the peer, or by Error(unavailable) when it does not answer in time.
// Owned by Broker; the loop's thread only. Callbacks come from the loop, never from within a call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/net/keys.h"
#include "common/net/poll_loop.h"
#include "common/net/socket.h"
#include "common/wire.h"

namespace ns::broker {

namespace store {
class Client;
class Reply;
}  // namespace store

class Peers {
 public:
  struct Known {
    std::vector<std::string> present;  // endpoints heard of just now, and after they last failed to answer
    std::vector<std::string> silent;   // the others that were there of late
  };

  // `advertised`: where the others reach this broker; empty: they do not. `own`: its keys; empty where it has none.
  Peers(net::PollLoop&, net::Context&, store::Client&, std::string advertised, net::KeyPair own);
  ~Peers();
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  // Says that this broker is there, and learns who else is.
  using Met = std::function<void(const Known&, const std::optional<Error>&)>;
  void meet(Met);

  // Throws Error(overloaded) when too many requests wait already.
  template <typename Reply>
  using Answered = std::function<void(const Reply&, std::string attachment, const std::optional<Error>&)>;
  template <typename Reply, typename Request>
  void ask(const std::string& endpoint, const Request& request, std::string attachment, Answered<Reply> answered) {
    wire::Frames frames = wire::encode(++last_request_, request);
    if (!attachment.empty()) frames.push_back(std::move(attachment));
    send(endpoint, std::move(frames), [answered = std::move(answered)](const Result& result) {
      std::optional<Error> error = result.error;
      Reply reply;
      if (!error) error = decode(result.frames, reply);
      answered(reply, !error && result.frames.size() > 2 ? result.frames[2] : std::string(), error);
    });
  }

 private:
  struct Result {
    wire::Frames frames;  // header and body at least, where there is no error
    std::optional<Error> error;
  };
  struct Peer;

  template <typename Reply>
  static std::optional<Error> decode(const wire::Frames& frames, Reply& reply) {
    try {
      const wire::Header header = wire::decode_header(frames[0]);
      if (header.type == MessageType::error) return error_of(frames[1]);
      if (header.type != wire::kTypeOf<Reply>) return Error(ErrorCode::internal, "a broker gave an unexpected answer");
      reply = wire::decode<Reply>(frames[1]);
      return std::nullopt;
    } catch (const Error& error) {
      return error;
    }
  }
  static Error error_of(const std::string& body);

  Known learn(const store::Reply&);
  void send(const std::string& endpoint, wire::Frames, std::function<void(const Result&)>);
  void receive(const std::string& endpoint);
  void drop(const std::string& endpoint, const std::string& why);  // and answer whoever waits for it

  net::PollLoop& loop_;
  net::Context& context_;
  store::Client& store_;
  const std::string advertised_;
  const net::KeyPair own_;
  std::map<std::string, std::string> keys_;             // public key by endpoint, as learned
  std::map<std::string, std::unique_ptr<Peer>> peers_;  // those spoken to, by endpoint
  std::map<std::string, Clock::Time> failed_;           // when they last did not answer
  std::size_t waiting_ = 0;                             // requests without an answer
  std::uint64_t last_request_ = 0;
};

}  // namespace ns::broker
