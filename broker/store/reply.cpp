#include "broker/store/reply.h"

#include <hiredis/hiredis.h>

#include <charconv>
#include <cstring>
#include <new>
#include <string>

namespace ns::broker::store {
namespace {

// A leased batch fits; what is larger comes from the heap and goes back with release().
constexpr std::size_t kFirstChunk = 256 * 1024;
// hiredis' own buffer of unread bytes is kept when it is empty, up to this.
constexpr std::size_t kKeptUnread = 1024 * 1024;

[[noreturn]] void wrong_shape(const char* expected) {
  throw Error(ErrorCode::internal, std::string("Redis returned something else than ") + expected);
}

// Redis says so when it cannot now, but may later.
bool is_passing(std::string_view error) {
  for (const std::string_view word :
       {"LOADING", "BUSY", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "NOREPLICAS", "ERR Function not found"}) {
    if (error.substr(0, word.size()) == word) return true;
  }
  return false;
}

template <typename Number>
Number parse(std::string_view text) {
  Number value = 0;
  if (text.empty()) return value;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) wrong_shape("a number");
  return value;
}

}  // namespace

std::string_view Reply::text() const {
  if (kind_ != Kind::text) wrong_shape("a text");
  return {text_, size_};
}
std::uint64_t Reply::number() const { return parse<std::uint64_t>(text()); }
std::int64_t Reply::signed_number() const { return parse<std::int64_t>(text()); }

std::span<const Reply> Reply::list() const {
  if (kind_ != Kind::list) wrong_shape("a list");
  return {list_, size_};
}

const Reply& Reply::at(std::size_t index) const {
  if (index >= list().size()) wrong_shape("a longer list");
  return list_[index];
}

Error Reply::error() const {
  if (kind_ == Kind::made_error) return *made_;
  constexpr std::string_view kOurs = "NSERR ";
  std::string_view rest(text_, size_);
  if (rest.substr(0, kOurs.size()) != kOurs) {
    return Error(is_passing(rest) ? ErrorCode::unavailable : ErrorCode::internal,
                 "Redis refused: " + std::string(rest));
  }
  rest.remove_prefix(kOurs.size());
  const std::size_t code_end = rest.find(' ');
  const std::size_t field_end = rest.find(' ', code_end + 1);
  if (code_end == std::string_view::npos || field_end == std::string_view::npos) wrong_shape("an error of ours");
  return Error(error_code_from(rest.substr(0, code_end)), std::string(rest.substr(field_end + 1)),
               std::string(rest.substr(code_end + 1, field_end - code_end - 1)));
}

std::string_view Reply::error_text() const {
  return kind_ == Kind::error ? std::string_view(text_, size_) : std::string_view();
}

bool Reply::is_error_of(std::string_view begin) const { return error_text().substr(0, begin.size()) == begin; }

Reply Reply::copy(std::pmr::memory_resource& memory) const {
  if (kind_ == Kind::list) {
    auto* elements = static_cast<Reply*>(memory.allocate(size_ * sizeof(Reply), alignof(Reply)));
    for (std::uint32_t i = 0; i < size_; ++i) new (elements + i) Reply(list_[i].copy(memory));
    return Reply(std::span<const Reply>(elements, size_));
  }
  if (size_ == 0) return Reply(std::string_view(), kind_);  // its text may be nowhere
  auto* bytes = static_cast<char*>(memory.allocate(size_, 1));
  std::memcpy(bytes, text_, size_);
  return Reply(std::string_view(bytes, size_), kind_);
}

// Each element goes to its place in the list that was made for it, the outermost to a place of its own.
struct ReplyReader::Make {
  static ReplyReader& reader_of(const redisReadTask* task) { return *static_cast<ReplyReader*>(task->privdata); }

  static void* place(const redisReadTask* task, const Reply& reply) {
    Reply* where = nullptr;
    if (task->parent == nullptr) {
      where = reader_of(task).room_for<Reply>(1);
    } else {
      // The elements of a list were made by this reader, to be filled here.
      where = const_cast<Reply*>(static_cast<const Reply*>(task->parent->obj)->list_) + task->idx;
    }
    return new (where) Reply(reply);
  }
  static void* text(const redisReadTask* task, char* bytes, std::size_t count) {
    const std::string_view kept = reader_of(task).keep({bytes, count});
    return place(task, Reply(kept, task->type == REDIS_REPLY_ERROR ? Reply::Kind::error : Reply::Kind::text));
  }
  static void* list(const redisReadTask* task, int count) {
    const auto size = static_cast<std::size_t>(count);
    auto* elements = reader_of(task).room_for<Reply>(size);
    for (std::size_t i = 0; i < size; ++i) new (elements + i) Reply();
    return place(task, Reply(std::span<const Reply>(elements, size)));
  }
  static void* number(const redisReadTask* task, long long number) {
    char digits[24];
    const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return place(task, Reply(reader_of(task).keep({digits, end})));
  }
  static void* nothing(const redisReadTask* task) { return place(task, Reply()); }
  static void free(void*) {}  // release() does
};

ReplyReader::ReplyReader() : first_chunk_(kFirstChunk), arena_(first_chunk_.data(), first_chunk_.size()) {
  static redisReplyObjectFunctions make{Make::text, Make::list, Make::number, Make::nothing, Make::free};
  reader_ = redisReaderCreateWithFunctions(&make);
  if (reader_ == nullptr) throw std::bad_alloc();
  reader_->privdata = this;
  reader_->maxbuf = kKeptUnread;
}

ReplyReader::~ReplyReader() { redisReaderFree(reader_); }

void ReplyReader::feed(const char* bytes, std::size_t count) { redisReaderFeed(reader_, bytes, count); }

const Reply* ReplyReader::next() {
  void* reply = nullptr;
  if (redisReaderGetReply(reader_, &reply) != REDIS_OK) {
    throw Error(ErrorCode::unavailable, std::string("Redis sent what is no reply: ") + reader_->errstr);
  }
  return static_cast<const Reply*>(reply);
}

void ReplyReader::release() { arena_.release(); }

std::string_view ReplyReader::keep(std::string_view text) {
  auto* bytes = room_for<char>(text.size());
  std::memcpy(bytes, text.data(), text.size());
  return {bytes, text.size()};
}

}  // namespace ns::broker::store
