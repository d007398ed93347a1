// ZeroMQ sockets as NS uses them: Router (brokers) and Dealer (everyone else). common/net is the only user of ZeroMQ.
//
// Bounded on every side: message size, queue length in each direction, time to shake hands; a dead TCP path is found by
// ZeroMQ's own heartbeats. Nothing here blocks except Dealer::wait. A socket is used by the thread that made it only; a
// Context may be shared, and must outlive its sockets.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/limits.h"
#include "common/wire.h"

namespace ns::net {

class Context {
 public:
  Context();
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  friend class Router;
  friend class Dealer;
  struct State;
  std::unique_ptr<State> state_;
};

// Who sent a message: opaque, valid while the connection lives, made by our own socket (never taken from a peer).
using Peer = std::string;

struct Incoming {
  Peer peer;
  wire::Frames frames;  // as many as came, at most kMaxFrames; the first should be a header
};

inline constexpr std::size_t kMaxFrames = 3;  // header, body, attachment; what has more is dropped

class Router {
 public:
  // Error(unavailable) names the endpoint that cannot be bound.
  Router(Context&, const std::vector<std::string>& endpoints);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // As bound: "tcp://127.0.0.1:*" has got its port.
  const std::vector<std::string>& endpoints() const { return endpoints_; }

  // The next message, if one is there.
  std::optional<Incoming> receive();
  // False: the peer has gone, or does not read what it is sent (its queue is full).
  bool send(const Peer& peer, wire::Frames frames);

  void* handle() const;  // for PollLoop

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::vector<std::string> endpoints_;
};

class Dealer {
 public:
  // Connects in the background; Error(invalid) when the endpoint cannot be understood.
  Dealer(Context&, const std::string& endpoint);
  ~Dealer();
  Dealer(const Dealer&) = delete;
  Dealer& operator=(const Dealer&) = delete;

  std::optional<wire::Frames> receive();
  // False: nothing more can be queued for the broker now.
  bool send(wire::Frames frames);
  // True as soon as a message is there; false after `most`.
  bool wait(std::chrono::milliseconds most);
  // Waits until what was sent has left, at most so long, then closes; the destructor drops what has not left.
  void close(std::chrono::milliseconds linger);

  void* handle() const;  // for PollLoop

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ns::net
