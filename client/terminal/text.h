// Text on a character grid: how wide it is, cut and padded to a width, and made safe to show. Pure; any thread.
//
// Colour sequences (ESC [ … m) count as nothing. They are only ever our own: text from outside goes through
// printable() first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ns::client {

// Text from outside, fit for a terminal: control characters become spaces, what is not UTF-8 becomes U+FFFD.
std::string printable(std::string_view text);

// Columns that the text takes: two for East Asian wide characters, none for combining marks.
std::size_t width(std::string_view text);

// At most `columns` wide; what is cut ends in an ellipsis (… or ...), and colours are ended.
std::string fitted(std::string_view text, std::size_t columns, bool unicode = true);

enum class Align { left, right };
std::string padded(std::string_view text, std::size_t columns, Align align = Align::left);

// "250 ms", "1.2 s", "48 s", "3 min 20 s", "2 h 05 min", "3 d 4 h".
std::string duration_text(std::uint64_t ms);
// duration_text of the time between, "-" when `then_ms` is 0.
std::string age_text(std::uint64_t now_ms, std::uint64_t then_ms);
// "512 B", "12.3 KiB", "1.0 GiB".
std::string bytes_text(std::uint64_t bytes);
// "14:03:07", local time.
std::string clock_text(std::uint64_t ms_since_1970);

// A line of a progress bar, `columns` wide; `fraction` is cut to 0 … 1.
std::string progress_bar(double fraction, std::size_t columns, bool unicode);

}  // namespace ns::client
