// Bytes from a peer: whatever they are, they decode or are refused as Error; what decodes encodes to bytes that decode.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/error.h"
#include "common/wire.h"

namespace {

template <typename Message>
void decode_twice(std::string_view body) {
  const Message message = ns::wire::decode<Message>(body);
  ns::wire::decode<Message>(ns::wire::encode_body(message));
}

void decode_as(ns::MessageType type, std::string_view body) {
  switch (type) {
#define NS_CASE(name, Struct)       \
  case ns::MessageType::name:       \
    decode_twice<ns::Struct>(body); \
    break;
    NS_MESSAGES(NS_CASE)
#undef NS_CASE
  }
}

}  // namespace

// The input: a header and a body, as two frames would bring them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const ns::wire::Header header = ns::wire::decode_header(bytes.substr(0, ns::wire::kHeaderBytes));
    decode_as(header.type, bytes.substr(ns::wire::kHeaderBytes));
  } catch (const ns::Error&) {
  }
  return 0;
}
