// Request: one message of a peer that is being worked on, and the way to answer it. Cheap to copy; kept by whatever
// waits for Redis or a file. The loop's thread only; must not outlive Parts.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "broker/store/client.h"
#include "common/error.h"
#include "common/net/socket.h"
#include "common/wire.h"

namespace ns::broker {

class Request {
 public:
  Request(net::Router& router, net::Peer peer, std::uint64_t number)
      : router_(&router), peer_(std::move(peer)), number_(number) {}

  const net::Peer& peer() const { return peer_; }

  template <typename Message>
  void reply(const Message& message, std::string attachment = {}) const {
    wire::Frames frames = wire::encode(number_, message);
    if (!attachment.empty()) frames.push_back(std::move(attachment));
    send(std::move(frames));
  }
  void fail(const Error&) const;

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
  net::Peer peer_;
  std::uint64_t number_;
};

// Runs `work`; the one catch around everything that is done for a request.
void guarded(const Request&, const std::function<void()>& work);

}  // namespace ns::broker
