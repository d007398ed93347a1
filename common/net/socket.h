// ZeroMQ sockets as NS uses them: Router (brokers) and Dealer (everyone else). common/net is the only user of ZeroMQ.
//
// Bounded on every side: message size, queue length in each direction, time to shake hands; a dead TCP path is found by
// the kernel's keep-alive. Nothing here blocks except Dealer::wait. A socket is used by the thread that made it only; a
// Context may be shared, and must outlive its sockets. Where keys are given, tcp:// is encrypted and both ends prove
// who they are (CURVE); ipc:// never needs them.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/limits.h"
#include "common/net/authorized_keys.h"
#include "common/net/keys.h"
#include "common/wire.h"

namespace ns::net {

class Authenticator;

class Context {
 public:
  Context();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  friend class Authenticator;
  friend class Router;
  friend class Dealer;
  struct State;
  std::unique_ptr<State> state_;
};

// Who sent a message: opaque, valid while the connection lives, made by our own socket (never taken from a peer).
using Peer = std::string;

// A connection as Router::ended() names it; the number is used again for a later one.
using Connection = int;
inline constexpr Connection kNoConnection = -1;

struct Incoming {
  Peer peer;
  Role role = Role::none;
  std::string key;      // the peer's public key; empty on a plain connection
  wire::Frames frames;  // as many as came, at most kMaxFrames; the first should be a header
  Connection connection = kNoConnection;

  std::size_t bytes() const;
};

inline constexpr std::size_t kMaxFrames = 3;  // header, body, attachment; what has more is dropped

class Router {
 public:
  // With an Authenticator, every tcp:// endpoint lets in those whom it lets in, and nobody else; without, and at ipc://
  // endpoints, whoever can connect is Role::local. Error(unavailable) names the endpoint that cannot be bound.
  Router(Context&, const std::vector<std::string>& endpoints, const Authenticator* = nullptr);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // As bound: "tcp://127.0.0.1:*" has got its port.
  const std::vector<std::string>& endpoints() const { return endpoints_; }

  // The next message, if one is there.
  std::optional<Incoming> receive();
  // False: the peer has gone, or does not read what it is sent (its queue is full, by messages or by bytes).
  bool send(const Peer& peer, wire::Frames frames);

  // Connections that have ended since this was asked last. To their peers send() is false then, or soon.
  std::vector<Connection> ended();

  void* handle() const;  // for PollLoop

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::vector<std::string> endpoints_;
};

// Whether a Dealer listens for the reason when the broker does not let it in; costs two sockets of the Context.
enum class Explain { no, yes };

struct Refusal {
  std::string why;     // a sentence about what to do
  bool final = false;  // ZeroMQ does not try again: only a new Dealer would
};

class Dealer {
 public:
  // Connects in the background; Error(invalid) when the endpoint cannot be understood. The keys are used for tcp://.
  Dealer(Context&, const std::string& endpoint, const PeerKeys& = {}, Explain = Explain::no);
  ~Dealer();
  Dealer(const Dealer&) = delete;
  Dealer& operator=(const Dealer&) = delete;

  std::optional<wire::Frames> receive();
  // False: nothing more can be queued for the broker now.
  bool send(wire::Frames frames);
  // True as soon as a message is there; false after `most`.
  bool wait(std::chrono::milliseconds most);
  // Why the broker has not let this peer in; nothing when it did, or has not yet, or with Explain::no.
  std::optional<Refusal> refusal();
  // Waits until what was sent has left, at most so long, then closes; the destructor drops what has not left.
  void close(std::chrono::milliseconds linger);

  void* handle() const;  // for PollLoop
  // For who waits for many: readable when something may have come. After each send(), and whenever this is readable,
  // receive() until there is nothing.
  int descriptor() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ns::net
