#include "broker/peers.h"

#include <algorithm>
#include <utility>

#include "broker/store/client.h"
#include "common/log.h"

namespace ns::broker {
namespace {

using namespace std::chrono_literals;

constexpr auto kAnswer = 1500ms;          // less than a client waits for us before it turns to another broker
constexpr auto kPresent = 5s;             // since it was last heard of; it speaks each second
constexpr auto kRemembered = 10min;       // longer than a host takes to restart
constexpr std::size_t kMostWaiting = 96;  // 48 MiB of chunks: less than a broker takes from one connection

}  // namespace

struct Peers::Peer {
  struct Waiting {
    std::function<void(const Result&)> answered;
    net::PollLoop::TimerId timer;
  };
  Peer(net::Context& context, const std::string& endpoint, const net::PeerKeys& keys)
      : dealer(context, endpoint, keys) {}

  net::Dealer dealer;
  std::map<std::uint64_t, Waiting> waiting;  // by request number
};

Peers::Peers(net::PollLoop& loop, net::Context& context, store::Client& store, std::string advertised, net::KeyPair own)
    : loop_(loop), context_(context), store_(store), advertised_(std::move(advertised)), own_(std::move(own)) {}

Peers::~Peers() {
  for (const auto& [endpoint, peer] : peers_) {
    loop_.unwatch(peer->dealer);
    for (const auto& [number, waiting] : peer->waiting) loop_.cancel(waiting.timer);
  }
}

void Peers::meet(Met met) {
  store_.call("meet", {advertised_, own_.public_key, std::chrono::milliseconds(kRemembered).count()},
              [this, met = std::move(met)](const store::Reply& reply) {
                if (reply.is_error()) {
                  met({}, reply.error());
                } else {
                  met(learn(reply), std::nullopt);
                }
              });
}

Peers::Known Peers::learn(const store::Reply& reply) {
  Known known;
  std::map<std::string, std::string> keys;
  for (std::size_t i = 0; i + 2 < reply.list().size(); i += 3) {
    const std::string endpoint(reply.at(i).text());
    const std::chrono::milliseconds silence(reply.at(i + 1).number());
    const auto failed = failed_.find(endpoint);
    const bool answers = failed == failed_.end() || steady_clock().now() - silence > failed->second;
    const bool present = silence < kPresent && answers;
    (present ? known.present : known.silent).push_back(endpoint);
    keys.emplace(endpoint, reply.at(i + 2).text());
  }
  std::vector<std::string> forgotten;
  for (const auto& [endpoint, peer] : peers_) {
    const auto key = keys.find(endpoint);
    if (key == keys.end() || key->second != keys_[endpoint]) forgotten.push_back(endpoint);
  }
  for (const std::string& endpoint : forgotten)
    drop(endpoint, "it has long been silent, or begun anew with another key");
  std::erase_if(failed_, [&](const auto& failed) { return !keys.contains(failed.first); });
  keys_ = std::move(keys);
  return known;
}

void Peers::send(const std::string& endpoint, wire::Frames frames, std::function<void(const Result&)> answered) {
  if (waiting_ >= kMostWaiting) throw Error(ErrorCode::overloaded, "too much is asked of the other brokers");
  const std::uint64_t number = last_request_;
  std::unique_ptr<Peer>& peer = peers_[endpoint];
  if (!peer) {
    try {
      peer = std::make_unique<Peer>(context_, endpoint, net::PeerKeys{own_, keys_[endpoint]});
    } catch (...) {
      peers_.erase(endpoint);
      throw;
    }
    loop_.watch(peer->dealer, [this, endpoint] { receive(endpoint); });
  }
  if (!peer->dealer.send(std::move(frames)))
    throw Error(ErrorCode::overloaded, "broker " + endpoint + " does not read");
  // A path that was cut may swallow what is sent for long: a new socket is the cure.
  const auto timer = loop_.after(kAnswer, [this, endpoint] {
    failed_[endpoint] = steady_clock().now();
    drop(endpoint, "it does not answer");
  });
  peer->waiting.emplace(number, Peer::Waiting{std::move(answered), timer});
  ++waiting_;
}

void Peers::receive(const std::string& endpoint) {
  for (;;) {
    const auto peer = peers_.find(endpoint);
    if (peer == peers_.end()) return;
    auto frames = peer->second->dealer.receive();
    if (!frames) return;
    if (frames->size() < 2) continue;
    std::uint64_t number = 0;
    try {
      number = wire::decode_header(frames->front()).request;
    } catch (const Error& error) {
      log::warning("a message from broker {} is not understood: {}", endpoint, error.what());
      continue;
    }
    const auto found = peer->second->waiting.find(number);
    if (found == peer->second->waiting.end()) continue;
    const Peer::Waiting waiting = std::move(found->second);
    peer->second->waiting.erase(found);
    loop_.cancel(waiting.timer);
    --waiting_;
    waiting.answered({std::move(*frames), std::nullopt});
  }
}

void Peers::drop(const std::string& endpoint, const std::string& why) {
  const auto found = peers_.find(endpoint);
  if (found == peers_.end()) return;
  const std::unique_ptr<Peer> peer = std::move(found->second);
  peers_.erase(found);
  loop_.unwatch(peer->dealer);
  waiting_ -= peer->waiting.size();
  for (const auto& [number, waiting] : peer->waiting) loop_.cancel(waiting.timer);
  for (const auto& [number, waiting] : peer->waiting) {
    waiting.answered({{}, Error(ErrorCode::unavailable, "broker " + endpoint + ": " + why)});
  }
}

Error Peers::error_of(const std::string& body) {
  const ErrorReply reply = wire::decode<ErrorReply>(body);
  return Error(error_code_from(reply.code), reply.message, reply.field);
}

}  // namespace ns::broker
