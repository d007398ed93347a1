#include <utility>

#include "broker/handlers/handlers.h"
#include "common/log.h"

namespace ns::broker {
namespace {

void handle_frames(Parts& parts, const Request& request, MessageType type, wire::Frames& frames) {
  if (frames.size() < 2) {
    throw Error(ErrorCode::invalid, std::string(wire::name_of(type)) + ": there is no body frame");
  }
  std::string attachment = frames.size() > 2 ? std::move(frames[2]) : std::string();
  if (!attachment.empty() && type != MessageType::put_artifact) {
    throw Error(ErrorCode::invalid, std::string(wire::name_of(type)) + ": no attachment is expected");
  }
  switch (type) {
#define NS_CASE(name, Struct)                                                       \
  case MessageType::name:                                                           \
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

void dispatch(Parts& parts, net::Incoming incoming) {
  wire::Header header;
  try {
    header = wire::decode_header(incoming.frames.front());
  } catch (const Error& error) {
    // Not one of ours; another protocol version gets to know why.
    if (error.code() == ErrorCode::unsupported) Request(parts.router, incoming.peer, 0).fail(error);
    log::debug("a message was dropped: {}", error.what());
    return;
  }
  const Request request(parts.router, std::move(incoming.peer), header.request);
  guarded(request, [&] { handle_frames(parts, request, header.type, incoming.frames); });
}

}  // namespace ns::broker
