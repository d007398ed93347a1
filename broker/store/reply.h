// Reply: what a function in Redis returned, as a value. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/error.h"

struct redisReply;

namespace ns::broker::store {

// Each reader throws Error(internal) when the reply is of another shape: then library and broker do not fit together.
class Reply {
 public:
  Reply() = default;
  explicit Reply(const redisReply&);
  static Reply make_error(const Error&);  // as if Redis had answered so

  const std::string& text() const;  // of a text, a number or nothing (empty)
  std::uint64_t number() const;     // of a number, a text of digits, or an empty text (0)
  std::int64_t signed_number() const;
  const std::vector<Reply>& list() const;
  const Reply& at(std::size_t index) const;  // of a list

  bool is_list() const { return kind_ == Kind::list; }
  bool is_error() const { return kind_ == Kind::error; }
  // What `refuse` in state.lua wrote; else unavailable where Redis may do it later (it is
  // loading, out of memory, …), and internal where it will not.
  Error error() const;

 private:
  enum class Kind { text, list, error };
  Kind kind_ = Kind::text;
  std::string text_;
  std::vector<Reply> list_;
};

}  // namespace ns::broker::store
