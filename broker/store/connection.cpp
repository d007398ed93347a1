#include "broker/store/connection.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <charconv>
#include <memory>
#include <utility>

namespace ns::broker::store {
namespace {

// What a command gets when the connection is lost before its answer came.
Reply lost_reply() {
  return Reply::make_error(
      Error(ErrorCode::unavailable, "the connection to Redis was lost: the request may be repeated"));
}

}  // namespace

Address parse_address(const std::string& text) {
  const auto refuse = [&]() -> Error {
    return Error(ErrorCode::invalid, "redis '" + text + "': it must be unix:/path/redis.sock or tcp://host:port",
                 "redis");
  };
  Address address;
  if (text.compare(0, 5, "unix:") == 0) {
    address.path = text.substr(5);
    if (address.path.empty()) throw refuse();
    return address;
  }
  const std::size_t colon = text.rfind(':');
  if (text.compare(0, 6, "tcp://") != 0 || colon <= 6) throw refuse();
  address.host = text.substr(6, colon - 6);
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [last, failure] = std::from_chars(begin, end, address.port);
  if (failure != std::errc() || last != end || address.port < 1 || address.port > 65535) throw refuse();
  return address;
}

struct Connection::Pending {
  Connection* connection;
  Callback callback;
};

// The C side of hiredis: plain functions that find their Connection.
struct Connection::Hooks {
  static Connection& of(void* data) { return *static_cast<Connection*>(data); }

  static void add_read(void* data) {
    if (of(data).reading_) return;
    of(data).reading_ = true;
    of(data).watch();
  }
  static void remove_read(void* data) {
    of(data).reading_ = false;
    of(data).watch();
  }
  static void add_write(void* data) {
    if (of(data).writing_) return;
    of(data).writing_ = true;
    of(data).watch();
  }
  static void remove_write(void* data) {
    of(data).writing_ = false;
    of(data).watch();
  }
  static void cleanup(void* data) {
    of(data).reading_ = of(data).writing_ = false;
    of(data).watch();
  }
  static void connected(const redisAsyncContext* context, int status) {
    if (status != REDIS_OK) of(context->data).closed(context->errstr);
  }
  static void disconnected(const redisAsyncContext* context, int) {
    of(context->data).closed(context->err != 0 ? context->errstr : "closed");
  }
  static void answered(redisAsyncContext*, void* reply, void* data) {
    const std::unique_ptr<Pending> pending(static_cast<Pending*>(data));
    --pending->connection->waiting_;
    if (pending->connection->ending_) return;
    pending->callback(reply != nullptr ? Reply(*static_cast<redisReply*>(reply)) : lost_reply());
  }
  static void message(redisAsyncContext*, void* raw, void* data) {
    auto* connection = static_cast<Connection*>(data);
    const auto* reply = static_cast<const redisReply*>(raw);
    if (reply == nullptr || connection->ending_ || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) return;
    const std::string kind(reply->element[0]->str, reply->element[0]->len);
    if (kind == "subscribe" && connection->unsubscribed_ > 0 && --connection->unsubscribed_ == 0) {
      connection->on_message_({}, {});
    }
    if (kind == "message") {
      connection->on_message_({reply->element[1]->str, reply->element[1]->len},
                              {reply->element[2]->str, reply->element[2]->len});
    }
  }
};

Connection::Connection(net::PollLoop& loop, const Address& address, std::function<void(const std::string&)> on_closed)
    : loop_(loop), on_closed_(std::move(on_closed)) {
  context_ = address.path.empty() ? redisAsyncConnect(address.host.c_str(), address.port)
                                  : redisAsyncConnectUnix(address.path.c_str());
  if (context_ == nullptr) throw Error(ErrorCode::unavailable, "no memory for a connection to Redis");
  if (context_->err != 0) {
    const std::string why = context_->errstr;
    redisAsyncFree(context_);
    throw Error(ErrorCode::unavailable, why);
  }
  context_->data = this;
  context_->ev.data = this;
  context_->ev.addRead = Hooks::add_read;
  context_->ev.delRead = Hooks::remove_read;
  context_->ev.addWrite = Hooks::add_write;
  context_->ev.delWrite = Hooks::remove_write;
  context_->ev.cleanup = Hooks::cleanup;
  redisAsyncSetConnectCallback(context_, Hooks::connected);
  redisAsyncSetDisconnectCallback(context_, Hooks::disconnected);
}

void Connection::end() {
  if (context_ == nullptr) return;
  on_closed_ = [](const std::string&) {};
  redisAsyncFree(context_);
  context_ = nullptr;
}

Connection::~Connection() {
  ending_ = true;
  if (context_ != nullptr) redisAsyncFree(context_);
}

void Connection::command(const std::vector<std::string>& words, Callback callback) {
  if (context_ == nullptr) {
    callback(lost_reply());
    return;
  }
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  auto pending = std::make_unique<Pending>(Pending{this, std::move(callback)});
  if (redisAsyncCommandArgv(context_, Hooks::answered, pending.get(), static_cast<int>(words.size()), texts.data(),
                            sizes.data()) != REDIS_OK) {
    pending->callback(lost_reply());
    return;
  }
  ++waiting_;
  pending.release();  // Hooks::answered owns it now, and is called in any case
}

void Connection::flush() {
  if (context_ != nullptr && writing_) redisAsyncHandleWrite(context_);
}

void Connection::subscribe(const std::vector<std::string>& channels, MessageCallback callback) {
  if (context_ == nullptr) return;
  on_message_ = std::move(callback);
  unsubscribed_ = channels.size();
  for (const std::string& channel : channels) {
    redisAsyncCommand(context_, Hooks::message, this, "SUBSCRIBE %b", channel.data(), channel.size());
  }
}

void Connection::watch() {
  if (context_ == nullptr || context_->c.fd < 0) return;
  loop_.watch(context_->c.fd, {reading_, writing_}, [this](net::PollLoop::Ready ready) { this->ready(ready); });
}

void Connection::ready(net::PollLoop::Ready ready) {
  // Either handler may end the connection.
  if (ready.readable && context_ != nullptr) redisAsyncHandleRead(context_);
  if (ready.writable && context_ != nullptr) redisAsyncHandleWrite(context_);
}

void Connection::closed(const std::string& why) {
  if (context_ == nullptr) return;
  loop_.unwatch(context_->c.fd);
  context_ = nullptr;  // hiredis frees it after this
  if (!ending_) on_closed_(why);
}

}  // namespace ns::broker::store
