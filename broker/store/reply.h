// Reply: what Redis answered. ReplyReader: bytes from a connection -> replies. The loop's thread only.
//
// A Reply is a small view: it, its list and its texts lie in the reader that made it, until the reader's release().
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <span>
#include <string_view>
#include <vector>

#include "common/error.h"

struct redisReader;

namespace ns::broker::store {

// Each reader throws Error(internal) when the reply is of another shape: then library and broker do not fit together.
class Reply {
 public:
  Reply() : Reply(std::string_view()) {}  // nothing, as an empty text
  // As if Redis had answered so; lives as long as the error.
  explicit Reply(const Error& error) : kind_(Kind::made_error), made_(&error) {}

  std::string_view text() const;  // of a text, a number or nothing (empty)
  std::uint64_t number() const;   // of a number, a text of digits, or an empty text (0)
  std::int64_t signed_number() const;
  std::span<const Reply> list() const;
  const Reply& at(std::size_t index) const;  // of a list

  bool is_list() const { return kind_ == Kind::list; }
  bool is_error() const { return kind_ == Kind::error || kind_ == Kind::made_error; }
  // What `refuse` in state.lua wrote; else unavailable where Redis may do it later (it is
  // loading, out of memory, …), and internal where it will not.
  Error error() const;
  std::string_view error_text() const;             // Redis' own words; empty when Redis did not say it
  bool is_error_of(std::string_view begin) const;  // whether they begin so: "READONLY"

  Reply copy(std::pmr::memory_resource&) const;  // that lives as long as this memory. REQUIRES: Redis said it

 private:
  friend class ReplyReader;
  enum class Kind : std::uint8_t { text, list, error, made_error };

  explicit Reply(std::string_view text, Kind kind = Kind::text)
      : kind_(kind), size_(static_cast<std::uint32_t>(text.size())), text_(text.data()) {}
  explicit Reply(std::span<const Reply> list)
      : kind_(Kind::list), size_(static_cast<std::uint32_t>(list.size())), list_(list.data()) {}

  Kind kind_;
  std::uint32_t size_ = 0;  // of the text or the list
  union {
    const char* text_;
    const Reply* list_;
    const Error* made_;
  };
};

class ReplyReader {
 public:
  ReplyReader();
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  void feed(const char* bytes, std::size_t count);
  // The next whole reply, or nullptr. Error(unavailable) when the bytes are no replies.
  const Reply* next();
  void release();  // the replies that next() gave are gone. REQUIRES: the last next() gave one

 private:
  struct Make;  // what hiredis calls for each element
  template <typename Element>
  Element* room_for(std::size_t count) {
    return static_cast<Element*>(arena_.allocate(count * sizeof(Element), alignof(Element)));
  }
  std::string_view keep(std::string_view text);

  std::vector<std::byte> first_chunk_;
  std::pmr::monotonic_buffer_resource arena_;
  redisReader* reader_;
};

}  // namespace ns::broker::store
