#include "broker/store/client.h"

#include <utility>

#include "broker/store/library.h"
#include "common/log.h"

namespace ns::broker::store {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kFirstBackoff = 20ms;
constexpr std::chrono::milliseconds kLongestBackoff = 1s;
// Calls that wait for Redis: past this it is hung or hopelessly late, and memory must stay bounded.
constexpr std::size_t kMostWaiting = 20'000;
constexpr std::size_t kMostUnwritten = 64 * 1024 * 1024;  // bytes of them

}  // namespace

Client::Client(net::PollLoop& loop, const std::string& address, Listener listener)
    : loop_(loop),
      address_text_(address),
      address_(parse_address(address)),
      listener_(std::move(listener)),
      backoff_(kFirstBackoff) {
  connect();
}

Client::~Client() = default;

void Client::call(std::string_view function, const Arguments& arguments, Connection::Callback callback) {
  if (!ready_) {
    callback(Reply(Error(ErrorCode::unavailable, "the broker cannot reach Redis at " + address_text_)));
    return;
  }
  if (commands_->waiting() >= kMostWaiting || commands_->unwritten() >= kMostUnwritten) {
    callback(
        Reply(Error(ErrorCode::overloaded, "Redis is late with " + std::to_string(commands_->waiting()) + " answers")));
    return;
  }
  std::string name("ns2_");
  commands_->command(Arguments("FCALL", name.append(function), "0"), arguments, std::move(callback));
}

void Client::flush() {
  if (ready_) commands_->flush();
}

void Client::connect() {
  reconnecting_ = false;
  drop_ended();
  try {
    commands_ = std::make_unique<Connection>(loop_, address_, [this](const std::string& why) { lost(why); });
    load();
  } catch (const Error& error) {
    lost(error.what());
  }
}

void Client::load() {
  commands_->command(Arguments("FUNCTION", "LOAD", "REPLACE", kLibrary), [this](const Reply& reply) {
    if (reply.is_error()) {  // it may be loading its data still
      lost(reply.error().what());
      return;
    }
    commands_->command(Arguments("FCALL", "ns2_open", "0"), [this](const Reply& open) { opened(open); });
    commands_->flush();
  });
  commands_->flush();
}

void Client::opened(const Reply& reply) {
  if (reply.is_error()) {
    lost(reply.error().what());
    return;
  }
  const std::string stored(reply.at(0).text());
  const std::string ours(reply.at(1).text());
  if (stored != ours) {
    listener_.on_wrong_schema(
        Error(ErrorCode::unsupported, "Redis at " + address_text_ + " holds data of schema '" + stored +
                                          "' (key ns:schema): this ns-broker reads schema '" + ours + "'"));
    return;
  }
  listen(reply);
}

void Client::listen(const Reply& opened) {
  const std::string work(opened.at(2).text());
  const std::string events(opened.at(3).text());
  const std::string stops(opened.at(4).text());
  try {
    wake_ups_ = std::make_unique<Connection>(loop_, address_, [this](const std::string& why) { lost(why); });
  } catch (const Error& error) {
    lost(error.what());
    return;
  }
  wake_ups_->subscribe({work, events, stops}, [=, this](std::string_view channel, std::string_view message) {
    if (channel.empty()) {
      ready_ = true;
      backoff_ = kFirstBackoff;
      log::info("using Redis at {}", address_text_);
      listener_.on_resumed();
    } else if (channel == work) {
      listener_.on_work();
    } else if (channel == events) {
      listener_.on_event(message);
    } else if (channel == stops) {
      listener_.on_stop(message);
    }
  });
}

void Client::lost(const std::string& why) {
  if (reconnecting_) return;
  reconnecting_ = true;
  if (ready_ || backoff_ >= kLongestBackoff) log::warning("no Redis at {}: {}", address_text_, why);
  ready_ = false;
  if (commands_) ended_.push_back(std::move(commands_));
  if (wake_ups_) ended_.push_back(std::move(wake_ups_));
  loop_.after(std::chrono::nanoseconds(0), [this] { drop_ended(); });
  loop_.after(backoff_, [this] { connect(); });
  backoff_ = std::min(backoff_ * 2, kLongestBackoff);
}

void Client::drop_ended() {
  for (const auto& connection : std::exchange(ended_, {})) connection->end();
}

}  // namespace ns::broker::store
