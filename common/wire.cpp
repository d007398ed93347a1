#include "common/wire.h"

#include "common/error.h"
#include "common/limits.h"
#include "common/packing.h"

namespace ns::wire {
namespace {

constexpr char kMagic[2] = {'N', 'S'};
constexpr std::size_t kMaxFields = 64;  // of one map; ours have at most 22

template <typename Number>
void put(std::string& bytes, Number value) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) bytes.push_back(static_cast<char>((value >> (8 * i)) & 0xffu));
}

template <typename Number>
Number get(std::string_view bytes, std::size_t at) {
  Number value = 0;
  for (std::size_t i = sizeof(Number); i-- > 0;) {
    value = static_cast<Number>((value << 8) | static_cast<unsigned char>(bytes[at + i]));
  }
  return value;
}

// Appends to a string; what msgpack-c's packer writes to.
struct StringStream {
  std::string bytes;
  void write(const char* data, std::size_t size) { bytes.append(data, size); }
};

[[noreturn]] void refuse(MessageType type, const std::string& why, const std::string& field = {}) {
  std::string sentence(name_of(type));
  if (!field.empty()) sentence += "." + field;
  throw Error(ErrorCode::invalid, sentence + ": " + why, field);
}

msgpack::object_handle unpack(MessageType type, std::string_view body) {
  const msgpack::unpack_limit limit(limits::kMaxBatch, kMaxFields, limits::kMaxMessageBytes, limits::kMaxMessageBytes,
                                    0, limits::kMaxNesting);
  const auto in_place = [](msgpack::type::object_type, std::size_t, void*) { return true; };
  std::size_t offset = 0;
  msgpack::object_handle handle;
  try {
    handle = msgpack::unpack(body.data(), body.size(), offset, in_place, nullptr, limit);
  } catch (const msgpack::insufficient_bytes&) {
    refuse(type, "the body ends before its MessagePack map does");
  } catch (const msgpack::array_size_overflow&) {
    refuse(type, "a list is longer than " + std::to_string(limits::kMaxBatch) + " entries");
  } catch (const msgpack::map_size_overflow&) {
    refuse(type, "a map has more than " + std::to_string(kMaxFields) + " fields");
  } catch (const msgpack::depth_size_overflow&) {
    refuse(type, "nested deeper than " + std::to_string(limits::kMaxNesting) + " levels");
  } catch (const msgpack::unpack_error& error) {
    refuse(type, std::string("the body is not MessagePack within the limits (") + error.what() + ")");
  }
  if (offset != body.size()) {
    refuse(type, std::to_string(body.size() - offset) + " bytes follow the MessagePack map");
  }
  if (handle.get().type != msgpack::type::MAP) refuse(type, "the body must be a MessagePack map");
  return handle;
}

// Which field of a map that does not convert is to blame: the first that does not convert alone.
template <typename Message>
[[noreturn]] void refuse_field(const msgpack::object_map& map) {
  constexpr MessageType kType = kTypeOf<Message>;
  for (std::uint32_t i = 0; i < map.size; ++i) {
    const msgpack::object& key = map.ptr[i].key;
    if (key.type != msgpack::type::STR) refuse(kType, "a field's name is not a string");
    msgpack::object alone;
    alone.type = msgpack::type::MAP;
    alone.via.map.size = 1;
    alone.via.map.ptr = &map.ptr[i];
    const std::string name(key.via.str.ptr, key.via.str.size);
    Message ignored;
    try {
      alone.convert(ignored);
    } catch (const Error& error) {
      refuse(kType, error.what(), name);
    } catch (const msgpack::type_error&) {
      refuse(kType, "wrong type or out of range", name);
    }
  }
  refuse(kType, "does not convert");
}

}  // namespace

std::string_view name_of(MessageType type) {
  switch (type) {
#define NS_NAME(name, Struct) \
  case MessageType::name:     \
    return #name;
    NS_MESSAGES(NS_NAME)
#undef NS_NAME
  }
  return "unknown";
}

std::string encode_header(const Header& header) {
  std::string bytes;
  bytes.reserve(kHeaderBytes);
  bytes.append(kMagic, sizeof kMagic);
  put(bytes, kProtocolMajor);
  put(bytes, header.minor);
  put(bytes, static_cast<std::uint16_t>(header.type));
  put(bytes, std::uint16_t{0});
  put(bytes, header.request);
  return bytes;
}

Header decode_header(std::string_view frame) {
  if (frame.size() != kHeaderBytes) {
    throw Error(ErrorCode::invalid, "the header has " + std::to_string(frame.size()) + " bytes: it must have 16");
  }
  if (frame.substr(0, 2) != std::string_view(kMagic, 2)) {
    throw Error(ErrorCode::invalid, "the header does not begin with 'NS'");
  }
  const auto major = get<std::uint8_t>(frame, 2);
  if (major != kProtocolMajor) {
    throw Error(ErrorCode::unsupported, "protocol version " + std::to_string(major) + ": this program speaks version " +
                                            std::to_string(kProtocolMajor));
  }
  const auto flags = get<std::uint16_t>(frame, 6);
  if (flags != 0) throw Error(ErrorCode::invalid, "header flags " + std::to_string(flags) + ": they must be 0");
  return {MessageType{get<std::uint16_t>(frame, 4)}, get<std::uint64_t>(frame, 8), get<std::uint8_t>(frame, 3)};
}

template <typename Message>
std::string encode_body(const Message& message) {
  StringStream stream;
  msgpack::pack(stream, message);
  return std::move(stream.bytes);
}

template <typename Message>
Message decode(std::string_view body) {
  const msgpack::object_handle handle = unpack(kTypeOf<Message>, body);
  Message message;
  try {
    handle.get().convert(message);
  } catch (const Error&) {
    refuse_field<Message>(handle.get().via.map);
  } catch (const msgpack::type_error&) {
    refuse_field<Message>(handle.get().via.map);
  }
  check(message);
  return message;
}

#define NS_INSTANTIATE(name, Struct)               \
  template std::string encode_body(const Struct&); \
  template Struct decode<Struct>(std::string_view);
NS_MESSAGES(NS_INSTANTIATE)
#undef NS_INSTANTIATE

}  // namespace ns::wire
