// How msgpack-c packs the values of messages.h: structs as maps of the fields they name, states and outcomes as their
// words, ids as plain strings. Included by what encodes and decodes (wire.cpp); costly to compile, so by nothing else.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <msgpack.hpp>
#include <string_view>

#include "common/messages.h"

namespace ns::packing {

template <typename Message>
concept HasFields = requires {
  Message::kFieldNames;
};

template <typename Word>
concept HasWords = requires(std::string_view text, Word& word) {
  to_text(word);
  from_text(text, word);
};

constexpr std::size_t count_of(std::string_view names) {
  return names.empty() ? 0 : 1 + static_cast<std::size_t>(std::count(names.begin(), names.end(), ','));
}

// "a, b" as {"a", "b"}.
template <typename Message>
constexpr auto names_of() {
  constexpr std::string_view kBlank = " \n";
  std::array<std::string_view, count_of(Message::kFieldNames)> names{};
  std::string_view rest = Message::kFieldNames;
  for (std::string_view& name : names) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    name = rest.substr(0, comma);
    name.remove_prefix(std::min(name.find_first_not_of(kBlank), name.size()));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return names;
}

inline std::string_view name_of(const msgpack::object_kv& entry) {
  if (entry.key.type != msgpack::type::STR) throw msgpack::type_error();
  return {entry.key.via.str.ptr, entry.key.via.str.size};
}

// Converts the entry of that name, if there is one, looking first at the one that follows the last taken: a peer of
// this version sends them in order.
template <typename Field>
void take(const msgpack::object_map& map, std::string_view name, std::uint32_t& next, Field& field) {
  std::uint32_t at = next;
  if (at >= map.size || name_of(map.ptr[at]) != name) {
    at = 0;
    while (at < map.size && name_of(map.ptr[at]) != name) ++at;
    if (at == map.size) return;
  }
  map.ptr[at].val.convert(field);
  next = at + 1;
}

}  // namespace ns::packing

namespace msgpack {
MSGPACK_API_VERSION_NAMESPACE(MSGPACK_DEFAULT_API_NS) {
  namespace adaptor {

  template <ns::packing::HasFields Message>
  struct convert<Message> {
    const msgpack::object& operator()(const msgpack::object& object, Message& message) const {
      [[maybe_unused]] static constexpr auto kNames = ns::packing::names_of<Message>();
      if (object.type != msgpack::type::MAP) throw msgpack::type_error();
      const msgpack::object_map& map = object.via.map;
      message.fields([&map](auto&... field) {
        [[maybe_unused]] std::uint32_t next = 0;
        [[maybe_unused]] std::size_t i = 0;
        (ns::packing::take(map, kNames[i++], next, field), ...);
      });
      return object;
    }
  };

  template <ns::packing::HasFields Message>
  struct pack<Message> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& packer, const Message& message) const {
      [[maybe_unused]] static constexpr auto kNames = ns::packing::names_of<Message>();
      packer.pack_map(static_cast<std::uint32_t>(kNames.size()));
      message.fields([&packer](const auto&... field) {
        [[maybe_unused]] std::size_t i = 0;
        ((packer.pack(kNames[i++]), packer.pack(field)), ...);
      });
      return packer;
    }
  };

  template <ns::packing::HasWords Word>
  struct convert<Word> {
    const msgpack::object& operator()(const msgpack::object& object, Word& word) const {
      if (object.type != msgpack::type::STR) throw msgpack::type_error();
      from_text(std::string_view(object.via.str.ptr, object.via.str.size), word);
      return object;
    }
  };

  template <ns::packing::HasWords Word>
  struct pack<Word> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& packer, const Word& word) const {
      return packer.pack(to_text(word));
    }
  };

  template <typename Tag>
  struct convert<ns::Id<Tag>> {
    const msgpack::object& operator()(const msgpack::object& object, ns::Id<Tag>& id) const {
      object.convert(id.text);
      return object;
    }
  };

  template <typename Tag>
  struct pack<ns::Id<Tag>> {
    template <typename Stream>
    msgpack::packer<Stream>& operator()(msgpack::packer<Stream>& packer, const ns::Id<Tag>& id) const {
      return packer.pack(id.text);
    }
  };

  }  // namespace adaptor
}
}  // namespace msgpack
