#include "tests/support/other_minor.h"

#include <functional>
#include <msgpack.hpp>
#include <set>
#include <string>

namespace ns::test {
namespace {

// What 1.1 added to messages that 1.0 had.
const std::set<std::string> kSinceOurs = {"deadline_ms", "delay_ms",       "demands", "memory_bytes", "next",  "next_in_ms",
                                          "pool",        "protocol_minor", "specs",   "tags",         "types", "unserved"};

struct StringStream {
  std::string bytes;
  void write(const char* data, std::size_t size) { bytes.append(data, size); }
};
using Packer = msgpack::packer<StringStream>;
// Writes the fields of one map, and its size before.
using Fields = std::function<void(Packer&, const msgpack::object_map&)>;

void rewrite(Packer& packer, const msgpack::object& value, const Fields& fields) {
  if (value.type == msgpack::type::MAP) {
    fields(packer, value.via.map);
  } else if (value.type == msgpack::type::ARRAY) {
    packer.pack_array(value.via.array.size);
    for (std::uint32_t i = 0; i < value.via.array.size; ++i) rewrite(packer, value.via.array.ptr[i], fields);
  } else {
    packer.pack(value);
  }
}

wire::Frames rewritten(wire::Frames frames, std::uint8_t minor, const Fields& fields) {
  frames[0][3] = static_cast<char>(minor);
  const auto handle = msgpack::unpack(frames[1].data(), frames[1].size());
  StringStream stream;
  Packer packer(stream);
  rewrite(packer, handle.get(), fields);
  frames[1] = std::move(stream.bytes);
  return frames;
}

void add_unknown(Packer& packer, const msgpack::object_map& map) {
  packer.pack_map(map.size + 2);
  packer.pack("from_tomorrow");
  packer.pack_array(2);
  packer.pack(0.5);
  packer.pack_map(1);
  packer.pack("deep");
  packer.pack_nil();
  for (std::uint32_t i = 0; i < map.size; ++i) {
    packer.pack(map.ptr[i].key);
    rewrite(packer, map.ptr[i].val, add_unknown);
  }
  packer.pack("and_another");
  packer.pack(true);
}

void drop_ours(Packer& packer, const msgpack::object_map& map) {
  const auto is_ours = [&](std::uint32_t i) { return kSinceOurs.count(map.ptr[i].key.as<std::string>()) > 0; };
  std::uint32_t kept = 0;
  for (std::uint32_t i = 0; i < map.size; ++i) kept += is_ours(i) ? 0 : 1;
  packer.pack_map(kept);
  for (std::uint32_t i = 0; i < map.size; ++i) {
    if (is_ours(i)) continue;
    packer.pack(map.ptr[i].key);
    rewrite(packer, map.ptr[i].val, drop_ours);
  }
}

}  // namespace

wire::Frames as_next_minor(wire::Frames frames) {
  return rewritten(std::move(frames), kProtocolMinor + 1, add_unknown);
}

wire::Frames as_previous_minor(wire::Frames frames) {
  return rewritten(std::move(frames), kProtocolMinor - 1, drop_ours);
}

wire::Frames message_of_next_minor(std::uint64_t number) {
  return as_next_minor({wire::encode_header({MessageType{901}, number}), "\x80"});
}

}  // namespace ns::test
