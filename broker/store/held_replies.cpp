#include "broker/store/held_replies.h"

#include <utility>

namespace ns::broker::store {

void HeldReplies::hold(const Reply& reply, Connection::Callback callback) {
  if (reply.is_error()) {
    callback(reply);
  } else {
    held_.push_back({reply.copy(memory_), std::move(callback)});
  }
}

void HeldReplies::release() {
  for (const Held& held : std::exchange(held_, {})) held.callback(held.reply);
}

void HeldReplies::refuse(const Error& error) {
  for (const Held& held : std::exchange(held_, {})) held.callback(Reply(error));
}

}  // namespace ns::broker::store
