#include "common/net/socket.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <zmq.hpp>

#include "common/error.h"
#include "common/net/authenticator.h"
#include "common/net/context_state.h"
#include "common/net/zap.h"

namespace ns::net {
namespace {

// Messages queued in one direction for one peer. A worker's queue holds jobs that it asked for (credits), so this is
// only reached by a peer that stopped reading.
constexpr int kQueueLength = 2000;
// From one peer to a Router, which takes them faster than a network brings them: what is over it waits with the sender.
constexpr int kRouterReceives = 100;
// Larger frames are handed over to ZeroMQ instead of copied, and counted as long as ZeroMQ has them. Smaller ones come
// to kQueueLength * kLarge at most.
constexpr std::size_t kLarge = 4u << 10;
// Bytes of large frames that one peer may leave unread, and all together; beyond, who has any unread gets nothing more.
constexpr std::size_t kMostUnread = 32u << 20;
constexpr std::size_t kMostUnreadByAll = 512u << 20;
constexpr std::chrono::milliseconds kHandshake{5000};
// A TCP path on which nothing comes back is given up after four seconds, in time for a lost host to be noticed within five.
// The kernel asks: ZeroMQ's own heartbeats cost two messages a connection each time, and a walk through the timers of all
// connections for each answer; a unix socket has no path that could be lost.
constexpr int kPathIdleSeconds = 1, kPathProbeSeconds = 1, kPathProbes = 3;
constexpr std::chrono::milliseconds kPathTimeout{4000};  // for what was sent and is not acknowledged
constexpr int kBacklog = 1024;

void set_common_options(zmq::socket_t& socket) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::sndhwm, kQueueLength);
  socket.set(zmq::sockopt::rcvhwm, kQueueLength);
  socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(limits::kMaxMessageBytes));
  socket.set(zmq::sockopt::handshake_ivl, static_cast<int>(kHandshake.count()));
  socket.set(zmq::sockopt::tcp_keepalive, 1);
  socket.set(zmq::sockopt::tcp_keepalive_idle, kPathIdleSeconds);
  socket.set(zmq::sockopt::tcp_keepalive_intvl, kPathProbeSeconds);
  socket.set(zmq::sockopt::tcp_keepalive_cnt, kPathProbes);
  socket.set(zmq::sockopt::tcp_maxrt, static_cast<int>(kPathTimeout.count()));
}

// Bytes that ZeroMQ holds for one peer; counted down by its thread, as they leave or are dropped.
struct Unread {
  std::atomic<std::size_t> bytes{0};
};

// A large frame on its way out.
struct Leaving {
  std::string bytes;
  std::shared_ptr<Unread> peer, all;  // empty where nobody counts
  ~Leaving() {
    for (const auto& unread : {peer, all}) {
      if (unread) unread->bytes -= bytes.size();
    }
  }
};

zmq::message_t to_message(std::string&& frame, const std::shared_ptr<Unread>& peer,
                          const std::shared_ptr<Unread>& all) {
  if (frame.size() < kLarge) return zmq::message_t(frame.data(), frame.size());
  for (const auto& unread : {peer, all}) {
    if (unread) unread->bytes += frame.size();
  }
  auto* leaving = new Leaving{std::move(frame), peer, all};
  return zmq::message_t(
      leaving->bytes.data(), leaving->bytes.size(), [](void*, void* hint) { delete static_cast<Leaving*>(hint); },
      leaving);
}

std::size_t large_bytes(const wire::Frames& frames) {
  std::size_t bytes = 0;
  for (const std::string& frame : frames) bytes += frame.size() < kLarge ? 0 : frame.size();
  return bytes;
}

// Reads the parts of a message that follow `part`, which stays the last one read: it carries what the handshake said of
// the connection. Parts beyond kMaxFrames are read and counted, not kept.
std::size_t receive_rest(zmq::socket_t& socket, zmq::message_t& part, wire::Frames& frames) {
  std::size_t count = 0;
  while (part.more() && socket.recv(part, zmq::recv_flags::dontwait)) {
    ++count;
    if (frames.size() < kMaxFrames) frames.emplace_back(static_cast<const char*>(part.data()), part.size());
  }
  return count;
}

// All or nothing: only the first part may fail, ZeroMQ takes the rest of a message it has begun.
bool send_parts(zmq::socket_t& socket, wire::Frames&& frames, bool continues, const std::shared_ptr<Unread>& peer = {},
                const std::shared_ptr<Unread>& all = {}) {
  for (std::size_t i = 0; i < frames.size(); ++i) {
    auto flags = zmq::send_flags::dontwait;
    if (i + 1 < frames.size()) flags = flags | zmq::send_flags::sndmore;
    zmq::message_t message = to_message(std::move(frames[i]), peer, all);
    if (!socket.send(message, flags)) return false;
    continues = true;
  }
  return continues;
}

bool is_tcp(const std::string& endpoint) { return endpoint.compare(0, 6, "tcp://") == 0; }

// For the endpoints that are bound after it. A plain endpoint of a Router with keys is asked about as well, so that no
// message comes in without the User-Id that the Authenticator gave its connection.
void set_door(zmq::socket_t& socket, const Authenticator& authenticator, bool curve) {
  socket.set(zmq::sockopt::zap_domain, std::string(curve ? zap::kCurveDomain : zap::kPlainDomain));
  socket.set(zmq::sockopt::curve_server, curve);
  if (curve) socket.set(zmq::sockopt::curve_secretkey, authenticator.own().secret_key);
}

Refusal refusal_from(int event, int value, const PeerKeys& keys) {
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) {
    return {"it does not accept this key: its list of authorized keys needs a line with " + keys.own.public_key, true};
  }
  if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL && value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
    return {keys.empty() ? "it lets in only who has a key: give --key FILE and --broker-key FILE.pub"
                         : "it has no key, so that none may be given here",
            true};
  }
  return {keys.empty() ? "the handshake failed: what listens there may be no ns-broker"
                       : "the handshake failed: the key of the broker there may not be the one given as --broker-key",
          false};
}

// What happens to the connections of `socket`, as messages that read_event() takes.
zmq::socket_t monitor(zmq::context_t& context, zmq::socket_t& socket, int events) {
  static std::atomic<std::uint64_t> last{0};
  const std::string endpoint = "inproc://ns.events." + std::to_string(++last);
  if (zmq_socket_monitor(socket.handle(), endpoint.c_str(), events) != 0) throw zmq::error_t();
  zmq::socket_t reader(context, zmq::socket_type::pair);
  reader.set(zmq::sockopt::rcvhwm, 0);  // ZeroMQ's thread must not wait for us
  reader.connect(endpoint);
  return reader;
}

struct ConnectionEvent {
  std::uint16_t what = 0;
  std::int32_t value = 0;
};

std::optional<ConnectionEvent> read_event(zmq::socket_t& reader) {
  zmq::message_t message, address;
  while (reader && reader.recv(message, zmq::recv_flags::dontwait)) {
    if (message.more() && !reader.recv(address, zmq::recv_flags::dontwait)) break;
    ConnectionEvent event;
    if (message.size() != sizeof event.what + sizeof event.value) continue;
    std::memcpy(&event.what, message.data(), sizeof event.what);
    std::memcpy(&event.value, message.data<char>() + sizeof event.what, sizeof event.value);
    return event;
  }
  return std::nullopt;
}

}  // namespace

Context::Context() : state_(std::make_unique<State>()) {}
Context::~Context() = default;

std::size_t Incoming::bytes() const {
  std::size_t bytes = 0;
  for (const std::string& frame : frames) bytes += frame.size();
  return bytes;
}

struct Router::State {
  zmq::socket_t socket;
  const Authenticator* authenticator;
  zmq::socket_t ends = {};   // events about connections
  zmq::message_t part = {};  // the one that is being read
  std::shared_ptr<Unread> unread_by_all = std::make_shared<Unread>();
  std::unordered_map<Peer, std::shared_ptr<Unread>> unread = {};  // by who was sent something large
  std::size_t forget_at = 64;

  // Null: this peer leaves too much unread.
  std::shared_ptr<Unread> room_for(const Peer& peer, std::size_t bytes) {
    if (unread.size() >= forget_at) {
      std::erase_if(unread, [](const auto& entry) { return entry.second->bytes == 0; });
      forget_at = std::max<std::size_t>(64, 2 * unread.size());
    }
    std::shared_ptr<Unread>& known = unread[peer];
    if (!known) known = std::make_shared<Unread>();
    const std::size_t held = known->bytes;
    const bool full = held + bytes > kMostUnread || unread_by_all->bytes + bytes > kMostUnreadByAll;
    return held > 0 && full ? nullptr : known;
  }
};

Router::Router(Context& context, const std::vector<std::string>& endpoints, const Authenticator* authenticator)
    : state_(std::make_unique<State>(State{{context.state_->context, zmq::socket_type::router}, authenticator})) {
  zmq::socket_t& socket = state_->socket;
  set_common_options(socket);
  socket.set(zmq::sockopt::router_mandatory, true);  // say so when a peer has gone, instead of dropping silently
  // A peer may name itself; handing over an id would let it take another peer's place. Our own peers have no names.
  socket.set(zmq::sockopt::router_handover, false);
  socket.set(zmq::sockopt::rcvhwm, kRouterReceives);
  socket.set(zmq::sockopt::backlog, kBacklog);
  state_->ends = monitor(context.state_->context, socket, ZMQ_EVENT_DISCONNECTED);
  for (const std::string& endpoint : endpoints) {
    try {
      if (authenticator != nullptr) set_door(socket, *authenticator, is_tcp(endpoint));
      socket.bind(endpoint);
    } catch (const zmq::error_t& error) {
      throw Error(ErrorCode::unavailable, "cannot listen on '" + endpoint + "': " + error.what(), "listen");
    }
    endpoints_.push_back(socket.get(zmq::sockopt::last_endpoint));
  }
}
Router::~Router() = default;

std::optional<Incoming> Router::receive() {
  zmq::message_t& part = state_->part;
  while (state_->socket.recv(part, zmq::recv_flags::dontwait)) {
    Incoming incoming;
    incoming.peer.assign(static_cast<const char*>(part.data()), part.size());
    incoming.role = Role::local;
    incoming.frames.reserve(kMaxFrames);
    const std::size_t count = receive_rest(state_->socket, part, incoming.frames);
    if (count < 1 || count > kMaxFrames) continue;
    incoming.connection = zmq_msg_get(part.handle(), ZMQ_SRCFD);  // -1 where there is none
    if (state_->authenticator != nullptr) {
      const char* user = zmq_msg_gets(part.handle(), "User-Id");
      incoming.role = user == nullptr ? Role::none : state_->authenticator->role_of(user);
      if (incoming.role != Role::local && user != nullptr) incoming.key = user;
    }
    return incoming;
  }
  return std::nullopt;
}

bool Router::send(const Peer& peer, wire::Frames frames) {
  std::shared_ptr<Unread> room;
  if (const std::size_t bytes = large_bytes(frames); bytes > 0) {
    room = state_->room_for(peer, bytes);
    if (!room) return false;
  }
  zmq::message_t address(peer.data(), peer.size());
  try {
    if (!state_->socket.send(address, zmq::send_flags::dontwait | zmq::send_flags::sndmore)) return false;
    return send_parts(state_->socket, std::move(frames), true, room, state_->unread_by_all);
  } catch (const zmq::error_t& error) {
    if (error.num() == EHOSTUNREACH) return false;
    throw Error(ErrorCode::internal, std::string("sending failed: ") + error.what());
  }
}

std::vector<Connection> Router::ended() {
  std::vector<Connection> ended;
  while (const auto event = read_event(state_->ends)) ended.push_back(event->value);
  return ended;
}

void* Router::handle() const { return state_->socket.handle(); }

struct Dealer::State {
  zmq::socket_t socket;
  PeerKeys keys;
  zmq::socket_t handshakes;  // events about them; not open with Explain::no
  std::optional<Refusal> refusal;

  void listen_for_handshakes(zmq::context_t& context) {
    constexpr int kEvents = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                            ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    handshakes = monitor(context, socket, kEvents);
  }
};

Dealer::Dealer(Context& context, const std::string& endpoint, const PeerKeys& keys, Explain explain)
    : state_(std::make_unique<State>(
          State{{context.state_->context, zmq::socket_type::dealer}, is_tcp(endpoint) ? keys : PeerKeys{}, {}, {}})) {
  set_common_options(state_->socket);
  if (!state_->keys.empty()) {
    state_->socket.set(zmq::sockopt::curve_serverkey, keys.broker);
    state_->socket.set(zmq::sockopt::curve_publickey, keys.own.public_key);
    state_->socket.set(zmq::sockopt::curve_secretkey, keys.own.secret_key);
  }
  if (explain == Explain::yes) state_->listen_for_handshakes(context.state_->context);
  state_->socket.set(zmq::sockopt::reconnect_ivl, 50);
  state_->socket.set(zmq::sockopt::reconnect_ivl_max, 200);
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
  zmq::message_t part;
  if (!state_->socket.recv(part, zmq::recv_flags::dontwait)) return std::nullopt;
  wire::Frames frames;
  frames.reserve(kMaxFrames);
  frames.emplace_back(static_cast<const char*>(part.data()), part.size());
  receive_rest(state_->socket, part, frames);
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

std::optional<Refusal> Dealer::refusal() {
  State& state = *state_;
  while (const auto event = read_event(state.handshakes)) {
    if (event->what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      state.refusal.reset();
    } else {
      state.refusal = refusal_from(event->what, event->value, state.keys);
    }
  }
  return state.refusal;
}

void Dealer::close(std::chrono::milliseconds linger) {
  state_->socket.set(zmq::sockopt::linger, static_cast<int>(linger.count()));
  state_->socket.close();
}

void* Dealer::handle() const { return state_->socket.handle(); }
int Dealer::descriptor() const { return state_->socket.get(zmq::sockopt::fd); }

}  // namespace ns::net
