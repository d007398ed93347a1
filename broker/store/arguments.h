// Arguments: the words of one command to Redis, in one buffer, as they go over the wire. A value; any thread.
//
//   words := ('$' bytes of the word '\r\n' word '\r\n')*        bulk strings of RESP
#pragma once

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>

namespace ns::broker::store {

// A text, or a whole number that is written in decimal digits.
template <typename T>
concept Word = std::convertible_to<const T&, std::string_view> ||
    (std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>);

class Arguments {
 public:
  Arguments() = default;
  template <Word... Words>
  requires(sizeof...(Words) > 0) Arguments(const Words&... words) {  // NOLINT: a braced list of words is one
    add(words...);
  }

  template <Word... Words>
  Arguments& add(const Words&... words) {
    (append(words), ...);
    return *this;
  }

  void clear() {  // keeps its memory
    words_.clear();
    count_ = 0;
  }
  bool empty() const { return count_ == 0; }
  std::size_t count() const { return count_; }
  const std::string& words() const { return words_; }

 private:
  void append(std::string_view word) {
    ++count_;
    char head[24] = {'$'};
    char* end = std::to_chars(head + 1, head + 21, word.size()).ptr;
    *end++ = '\r';
    *end++ = '\n';
    words_.append(head, end);
    words_.append(word);
    words_.append("\r\n", 2);
  }
  template <std::integral Number>
  void append(Number number) {
    char digits[24];
    append(std::string_view(digits, std::to_chars(digits, digits + sizeof digits, number).ptr));
  }

  std::string words_;
  std::size_t count_ = 0;
};

}  // namespace ns::broker::store
