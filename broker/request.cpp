#include "broker/request.h"

#include <exception>

#include "common/limits.h"
#include "common/log.h"

namespace ns::broker {
namespace {

constexpr std::chrono::milliseconds kRetryAfter{200};

}  // namespace

void Request::send(wire::Frames frames) const {
  // A peer that has gone needs no answer; one that does not read repeats its request.
  if (!router_->send(sender_.peer, std::move(frames)))
    log::debug("a reply was dropped: its peer has gone or does not read");
}

void Request::fail(const Error& error) const {
  fail(error, entry_of(error.code()).retryable ? kRetryAfter : std::chrono::milliseconds(0));
}

void Request::fail(const Error& error, std::chrono::milliseconds retry_after) const {
  const ErrorEntry& entry = entry_of(error.code());
  ErrorReply reply;
  reply.code = entry.name;
  reply.message = std::string(error.what()).substr(0, limits::kMaxTextBytes);
  reply.field = error.field();
  reply.retry_after_ms = static_cast<std::uint32_t>(retry_after.count());
  this->reply(reply);
}

store::Connection::Callback Request::then(std::function<void(const store::Reply&)> what) const {
  return [request = *this, what = std::move(what)](const store::Reply& reply) {
    guarded(request, [&] {
      if (reply.is_error()) throw reply.error();
      what(reply);
    });
  };
}

void guarded(const Request& request, const std::function<void()>& work) {
  try {
    work();
  } catch (const Overloaded& refusal) {
    request.fail(refusal, refusal.retry_after());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::internal) log::error("{}", error.what());
    request.fail(error);
  } catch (const std::exception& error) {
    log::error("a request failed: {}", error.what());
    request.fail(Error(ErrorCode::internal, std::string("the broker failed at this request: ") + error.what()));
  }
}

}  // namespace ns::broker
