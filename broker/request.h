// Request: one message of a peer that is being worked on, and the way to answer it. Cheap to copy; kept by whatever
// waits for Redis or a file. The loop's thread only; must not outlive Parts.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "broker/admission.h"
#include "broker/store/client.h"
#include "common/error.h"
#include "common/net/socket.h"
#include "common/wire.h"

namespace ns::broker {

// Who sent a request: a connection, and what its handshake proved.
struct Sender {
  net::Peer peer;
  net::Role role = net::Role::none;
  std::string key;  // public; empty on a plain connection
  net::Connection connection = net::kNoConnection;
};

class Request {
 public:
  Request(net::Router& router, Sender sender, std::uint64_t number)
      : router_(&router), sender_(std::move(sender)), number_(number) {}

  const net::Peer& peer() const { return sender_.peer; }
  const Sender& sender() const { return sender_; }
  // From here on it counts as under way, until the last copy of it has gone.
  void admit(Admission::Place place) { place_ = std::move(place); }

  template <typename Message>
  void reply(const Message& message, std::string attachment = {}) const {
    wire::Frames frames = wire::encode(number_, message);
    if (!attachment.empty()) frames.push_back(std::move(attachment));
    send(std::move(frames));
  }
  // Something that the peer did not ask for.
  template <typename Message>
  void push(const Message& message) const {
    send(wire::encode(0, message));
  }
  void fail(const Error&) const;
  void fail(const Error&, std::chrono::milliseconds retry_after) const;

  // What to do with the answer of a function in Redis; whatever it throws, or Redis refuses, is replied as an error.
  store::Connection::Callback then(std::function<void(const store::Reply&)> what) const;
  // As then(), where the answer is replied as a message made from it.
  template <typename Make>
  store::Connection::Callback answer(Make make) const {
    return then([request = *this, make = std::move(make)](const store::Reply& reply) { request.reply(make(reply)); });
  }

 private:
  void send(wire::Frames) const;

  net::Router* router_;
  Sender sender_;
  std::uint64_t number_;
  Admission::Place place_;
};

// Runs `work`; the one catch around everything that is done for a request.
void guarded(const Request&, const std::function<void()>& work);

}  // namespace ns::broker
