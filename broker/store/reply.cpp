#include "broker/store/reply.h"

#include <hiredis/hiredis.h>

#include <charconv>
#include <string_view>

namespace ns::broker::store {
namespace {

[[noreturn]] void wrong_shape(const char* expected) {
  throw Error(ErrorCode::internal, std::string("Redis returned something else than ") + expected);
}

// Redis says so when it cannot now, but may later.
bool is_passing(std::string_view error) {
  for (const std::string_view word : {"LOADING", "BUSY", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "NOREPLICAS"}) {
    if (error.substr(0, word.size()) == word) return true;
  }
  return false;
}

template <typename Number>
Number parse(const std::string& text) {
  Number value = 0;
  if (text.empty()) return value;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) wrong_shape("a number");
  return value;
}

}  // namespace

Reply::Reply(const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_ARRAY:
      kind_ = Kind::list;
      list_.reserve(reply.elements);
      for (std::size_t i = 0; i < reply.elements; ++i) list_.emplace_back(*reply.element[i]);
      break;
    case REDIS_REPLY_INTEGER:
      text_ = std::to_string(reply.integer);
      break;
    case REDIS_REPLY_ERROR:
      kind_ = Kind::error;
      text_.assign(reply.str, reply.len);
      break;
    case REDIS_REPLY_NIL:
      break;
    default:
      text_.assign(reply.str, reply.len);
  }
}

Reply Reply::make_error(const Error& error) {
  Reply reply;
  reply.kind_ = Kind::error;
  reply.text_ = "NSERR " + std::string(entry_of(error.code()).name) + " " + error.field() + " " + error.what();
  return reply;
}

const std::string& Reply::text() const {
  if (kind_ != Kind::text) wrong_shape("a text");
  return text_;
}
std::uint64_t Reply::number() const { return parse<std::uint64_t>(text()); }
std::int64_t Reply::signed_number() const { return parse<std::int64_t>(text()); }

const std::vector<Reply>& Reply::list() const {
  if (kind_ != Kind::list) wrong_shape("a list");
  return list_;
}

const Reply& Reply::at(std::size_t index) const {
  if (index >= list().size()) wrong_shape("a longer list");
  return list_[index];
}

Error Reply::error() const {
  constexpr std::string_view kOurs = "NSERR ";
  std::string_view rest = text_;
  if (rest.substr(0, kOurs.size()) != kOurs) {
    return Error(is_passing(rest) ? ErrorCode::unavailable : ErrorCode::internal, "Redis refused: " + text_);
  }
  rest.remove_prefix(kOurs.size());
  const std::size_t code_end = rest.find(' ');
  const std::size_t field_end = rest.find(' ', code_end + 1);
  if (code_end == std::string_view::npos || field_end == std::string_view::npos) wrong_shape("an error of ours");
  return Error(error_code_from(rest.substr(0, code_end)), std::string(rest.substr(field_end + 1)),
               std::string(rest.substr(code_end + 1, field_end - code_end - 1)));
}

}  // namespace ns::broker::store
