#include <utility>

#include "broker/handlers/handlers.h"
#include "common/log.h"

namespace ns::broker {
namespace {

Sender sender_of(net::Incoming& incoming) {
  return {std::move(incoming.peer), incoming.role, std::move(incoming.key), incoming.connection};
}

std::string_view roles_of(Senders senders) {
  switch (senders) {
    case Senders::everyone:
      return "client, worker, admin or broker";
    case Senders::anyone:
      return "client, worker or admin";
    case Senders::clients:
      return "client or admin";
    case Senders::workers:
      return "worker";
    case Senders::operators:
      return "admin";
  }
  return {};
}

void require_sender(const Request& request, MessageType type, Senders senders) {
  const net::Role role = request.sender().role;
  if (may_send(role, senders)) return;
  const std::string name(wire::name_of(type));
  if (role == net::Role::none) {
    throw Error(ErrorCode::forbidden, name + ": this key is not in the broker's list of authorized keys any more");
  }
  throw Error(ErrorCode::forbidden, name + ": this key has the role " + std::string(to_text(role)) +
                                        ", the request needs " + std::string(roles_of(senders)));
}

// Before anything is decoded: refusing must cost less than asking.
void admit(Parts& parts, Request& request, MessageType type, std::size_t bytes) {
  const Sender& sender = request.sender();
  request.admit(parts.admission.admit(sender.peer, bytes));
  if (type == MessageType::submit_task) parts.admission.admit_submission(sender.key.empty() ? sender.peer : sender.key);
}

void handle_frames(Parts& parts, const Request& request, MessageType type, wire::Frames& frames) {
  if (frames.size() < 2) {
    throw Error(ErrorCode::invalid, std::string(wire::name_of(type)) + ": there is no body frame");
  }
  std::string attachment = frames.size() > 2 ? std::move(frames[2]) : std::string();
  if (!attachment.empty() && type != MessageType::put_artifact) {
    throw Error(ErrorCode::invalid, std::string(wire::name_of(type)) + ": no attachment is expected");
  }
  switch (type) {
#define NS_CASE(name, Struct, senders)                                              \
  case MessageType::name:                                                           \
    require_sender(request, type, Senders::senders);                                \
    handle(parts, request, wire::decode<Struct>(frames[1]), std::move(attachment)); \
    return;
    NS_REQUESTS(NS_CASE)
#undef NS_CASE
    default:
      throw Error(ErrorCode::unsupported, "message type " + std::to_string(static_cast<unsigned>(type)) +
                                              ": it is not a request that this broker knows");
  }
}

}  // namespace

bool may_send(net::Role role, Senders senders) {
  if (role == net::Role::local) return true;
  switch (senders) {
    case Senders::everyone:
      return role != net::Role::none;
    case Senders::anyone:
      return role == net::Role::client || role == net::Role::worker || role == net::Role::admin;
    case Senders::clients:
      return role == net::Role::client || role == net::Role::admin;
    case Senders::workers:
      return role == net::Role::worker;
    case Senders::operators:
      return role == net::Role::admin;
  }
  return false;
}

void dispatch(Parts& parts, net::Incoming incoming) {
  wire::Header header;
  try {
    header = wire::decode_header(incoming.frames.front());
  } catch (const Error& error) {
    // Not one of ours; another protocol version gets to know why.
    if (error.code() == ErrorCode::unsupported) Request(parts.router, sender_of(incoming), 0).fail(error);
    log::debug("a message was dropped: {}", error.what());
    return;
  }
  Request request(parts.router, sender_of(incoming), header.request);
  guarded(request, [&] {
    admit(parts, request, header.type, incoming.bytes());
    handle_frames(parts, request, header.type, incoming.frames);
  });
}

}  // namespace ns::broker
