#include "broker/event_page.h"

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

namespace ns::broker {
namespace {

// The first whole number in the text, which is what follows it and the character behind it.
std::uint32_t take_number(std::string_view& text) {
  std::uint32_t number = 0;
  const char* end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.empty()) text.remove_prefix(1);
  return number;
}

// '3,5-7' -> 3, 5, 6, 7
std::vector<std::uint32_t> numbers_of(std::string_view ranges) {
  std::vector<std::uint32_t> numbers;
  while (!ranges.empty()) {
    const std::string_view range = ranges.substr(0, ranges.find(','));
    const bool is_one = range.find('-') == std::string_view::npos;
    const std::uint32_t first = take_number(ranges);
    const std::uint32_t last = is_one ? first : take_number(ranges);
    for (std::uint64_t number = first; number <= last; ++number) numbers.push_back(static_cast<std::uint32_t>(number));
  }
  return numbers;
}

// '' -> 1 each
std::vector<std::uint32_t> attempts_of(std::string_view list, std::size_t count) {
  std::vector<std::uint32_t> attempts(count, 1);
  for (std::size_t i = 0; i < count && !list.empty(); ++i) attempts[i] = take_number(list);
  return attempts;
}

class EntryReader {
 public:
  static constexpr std::size_t kFields = 9;

  EntryReader(const store::Reply& reply, std::size_t first) : reply_(reply), first_(first) {}

  void add_to(std::vector<Event>& events) const {
    const std::string_view trials = field(4).text();
    const std::vector<std::uint32_t> numbers = trials.empty() ? std::vector<std::uint32_t>{0} : numbers_of(trials);
    const std::vector<std::uint32_t> attempts = attempts_of(field(5).text(), numbers.size());
    const std::size_t skipped = field(6).number(), last = skipped + field(7).number();
    const auto bodies = field(8).list();
    for (std::size_t i = skipped; i < last; ++i) {
      Event& event = events.emplace_back();
      event.id = field(0).text();
      if (numbers.size() > 1) event.id += "." + std::to_string(i + 1);
      event.type = field(1).text();
      event.time_ms = field(2).number();
      event.worker = field(3).text();
      event.trial = numbers.at(i);
      event.attempt = attempts.at(i);
      if (!bodies.empty()) event.body = field(8).at(i - skipped).text();
    }
  }

 private:
  const store::Reply& field(std::size_t index) const { return reply_.at(first_ + index); }

  const store::Reply& reply_;
  const std::size_t first_;
};

}  // namespace

EventPage event_page_from(const store::Reply& reply) {
  EventPage page;
  page.events.ended = reply.at(0).number() == 1;
  page.more = reply.at(0).number() == 2;
  page.events.next = reply.at(1).text();
  for (std::size_t at = 2; at < reply.list().size(); at += EntryReader::kFields) {
    EntryReader(reply, at).add_to(page.events.events);
  }
  return page;
}

}  // namespace ns::broker
