#include "common/net/socket.h"

#include <algorithm>
#include <utility>
#include <zmq.hpp>

#include "common/error.h"

namespace ns::net {
namespace {

// Messages queued in one direction for one peer. A worker's queue holds jobs that it asked for (credits), so this is
// only reached by a peer that stopped reading.
constexpr int kQueueLength = 2000;
constexpr std::chrono::milliseconds kHandshake{5000};
constexpr std::chrono::milliseconds kPathHeartbeat{2000};  // ZeroMQ's own: proves the TCP path, not the program behind
constexpr std::chrono::milliseconds kPathTimeout{10000};
constexpr int kBacklog = 1024;

void set_common_options(zmq::socket_t& socket) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, kQueueLength);
  socket.set(zmq::sockopt::rcvhwm, kQueueLength);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(limits::kMaxMessageBytes));
  socket.set(zmq::sockopt::handshake_ivl, static_cast<int>(kHandshake.count()));
  socket.set(zmq::sockopt::heartbeat_ivl, static_cast<int>(kPathHeartbeat.count()));
  socket.set(zmq::sockopt::heartbeat_timeout, static_cast<int>(kPathTimeout.count()));
}

// Small frames are copied; a large one's string is handed over and freed when ZeroMQ has sent it.
zmq::message_t to_message(std::string&& frame) {
  constexpr std::size_t kCopyBelow = 16u << 10;
  if (frame.size() < kCopyBelow) return zmq::message_t(frame.data(), frame.size());
  auto* owned = new std::string(std::move(frame));
  return zmq::message_t(
      owned->data(), owned->size(), [](void*, void* hint) { delete static_cast<std::string*>(hint); }, owned);
}

// The parts of one message; empty when none is there. Parts beyond `most` are read and counted, not kept.
std::vector<std::string> receive_parts(zmq::socket_t& socket, std::size_t most, std::size_t& count) {
  std::vector<std::string> parts;
  count = 0;
  zmq::message_t part;
  do {
    if (!socket.recv(part, zmq::recv_flags::dontwait)) break;
    ++count;
    if (parts.size() < most) parts.emplace_back(static_cast<const char*>(part.data()), part.size());
  } while (part.more());
  return parts;
}

// All or nothing: only the first part may fail, ZeroMQ takes the rest of a message it has begun.
bool send_parts(zmq::socket_t& socket, wire::Frames&& frames, bool continues) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    auto flags = zmq::send_flags::dontwait;
    if (i + 1 < frames.size()) flags = flags | zmq::send_flags::sndmore;
    zmq::message_t message = to_message(std::move(frames[i]));
    if (!socket.send(message, flags)) return false;
    continues = true;
  }
  return continues;
}

}  // namespace

struct Context::State {
  zmq::context_t context{1};
};
Context::Context() : state_(std::make_unique<State>()) {}
Context::~Context() = default;

struct Router::State {
  zmq::socket_t socket;
};

Router::Router(Context& context, const std::vector<std::string>& endpoints)
    : state_(std::make_unique<State>(State{{context.state_->context, zmq::socket_type::router}})) {
  zmq::socket_t& socket = state_->socket;
  set_common_options(socket);
  socket.set(zmq::sockopt::router_mandatory, true);  // say so when a peer has gone, instead of dropping silently
  socket.set(zmq::sockopt::router_handover, true);   // a reconnecting peer takes its place over
  socket.set(zmq::sockopt::backlog, kBacklog);
  for (const std::string& endpoint : endpoints) {
    try {
      socket.bind(endpoint);
    } catch (const zmq::error_t& error) {
      throw Error(ErrorCode::unavailable, "cannot listen on '" + endpoint + "': " + error.what(), "listen");
    }
    endpoints_.push_back(socket.get(zmq::sockopt::last_endpoint));
  }
}
Router::~Router() = default;

std::optional<Incoming> Router::receive() {
  for (;;) {
    std::size_t count = 0;
    std::vector<std::string> parts = receive_parts(state_->socket, kMaxFrames + 1, count);
    if (count == 0) return std::nullopt;
    if (count < 2 || count > kMaxFrames + 1) continue;
    Incoming incoming{std::move(parts.front()), {}};
    incoming.frames.assign(std::make_move_iterator(parts.begin() + 1), std::make_move_iterator(parts.end()));
    return incoming;
  }
}

bool Router::send(const Peer& peer, wire::Frames frames) {
  zmq::message_t address(peer.data(), peer.size());
  try {
    if (!state_->socket.send(address, zmq::send_flags::dontwait | zmq::send_flags::sndmore)) return false;
    return send_parts(state_->socket, std::move(frames), true);
  } catch (const zmq::error_t& error) {
    if (error.num() == EHOSTUNREACH) return false;
    throw Error(ErrorCode::internal, std::string("sending failed: ") + error.what());
  }
}

void* Router::handle() const { return state_->socket.handle(); }

struct Dealer::State {
  zmq::socket_t socket;
};

Dealer::Dealer(Context& context, const std::string& endpoint)
    : state_(std::make_unique<State>(State{{context.state_->context, zmq::socket_type::dealer}})) {
  set_common_options(state_->socket);
  state_->socket.set(zmq::sockopt::reconnect_ivl, 50);
  state_->socket.set(zmq::sockopt::reconnect_ivl_max, 1000);
  try {
    state_->socket.connect(endpoint);
  } catch (const zmq::error_t& error) {
    throw Error(ErrorCode::invalid,
                "broker endpoint '" + endpoint.substr(0, 200) + "': " + error.what() +
                    "; it must be like tcp://host:port or ipc:///path/broker.sock",
                "broker");
  }
}
Dealer::~Dealer() = default;

std::optional<wire::Frames> Dealer::receive() {
  std::size_t count = 0;
  wire::Frames frames = receive_parts(state_->socket, kMaxFrames, count);
  if (count == 0) return std::nullopt;
  return frames;
}

bool Dealer::send(wire::Frames frames) { return send_parts(state_->socket, std::move(frames), false); }

bool Dealer::wait(std::chrono::milliseconds most) {
  zmq::pollitem_t item{state_->socket.handle(), 0, ZMQ_POLLIN, 0};
  try {
    return zmq::poll(&item, 1, most) > 0;
  } catch (const zmq::error_t& error) {
    if (error.num() == EINTR) return false;
    throw Error(ErrorCode::internal, std::string("polling failed: ") + error.what());
  }
}

void Dealer::close(std::chrono::milliseconds linger) {
  state_->socket.set(zmq::sockopt::linger, static_cast<int>(linger.count()));
  state_->socket.close();
}

void* Dealer::handle() const { return state_->socket.handle(); }

}  // namespace ns::net
