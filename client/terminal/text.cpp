#include "client/terminal/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>

namespace ns::client {

namespace {

struct Character {
  std::uint32_t point = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

Character decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  if (length == 0 || at + length > text.size()) return {};
  std::uint32_t point = lead & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return {};
    point = (point << 6) | (byte(at + i) & 0x3F);
  }
  const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
  if (overlong || (point >= 0xD800 && point < 0xE000) || point > 0x10FFFF) return {};
  return {point, length, true};
}

struct Range {
  std::uint32_t first, last;
};

// After Unicode's DerivedGeneralCategory (Mn, Me, Cf) and EastAsianWidth (W, F), in the coarse blocks that terminals
// use.
constexpr Range kNarrowest[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x0610, 0x061A},
                                {0x064B, 0x065F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F},
                                {0x202A, 0x202E}, {0x2060, 0x2064}, {0x2066, 0x206F}, {0x20D0, 0x20FF},
                                {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF}};
constexpr Range kWide[] = {{0x1100, 0x115F},   {0x231A, 0x231B},   {0x2E80, 0x303E},   {0x3041, 0x33FF},
                           {0x3400, 0x4DBF},   {0x4E00, 0x9FFF},   {0xA000, 0xA4CF},   {0xA960, 0xA97C},
                           {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},
                           {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF},
                           {0x20000, 0x2FFFD}, {0x30000, 0x3FFFD}};

template <std::size_t N>
bool within(std::uint32_t point, const Range (&ranges)[N]) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [&](const Range& range) { return point >= range.first && point <= range.last; });
}

std::size_t width_of(std::uint32_t point) {
  if (point < 0x20 || (point >= 0x7F && point < 0xA0)) return 0;
  if (within(point, kNarrowest)) return 0;
  return within(point, kWide) ? 2 : 1;
}

// The length of the colour sequence at `at`, or 0 when there is none.
std::size_t escape_length(std::string_view text, std::size_t at) {
  if (text[at] != '\x1b' || at + 1 >= text.size() || text[at + 1] != '[') return 0;
  std::size_t end = at + 2;
  while (end < text.size() && (text[end] < 0x40 || text[end] > 0x7E)) ++end;
  return end < text.size() ? end + 1 - at : 0;
}

// Marks that turn the direction of what follows: harmless in a book, a trap in a table.
bool is_direction_mark(std::uint32_t point) {
  return (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069) || point == 0x200E ||
         point == 0x200F;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Character c = decode(text, i);
    if (!c.valid) {
      out += "\xEF\xBF\xBD";
    } else if (c.point < 0x20 || (c.point >= 0x7F && c.point < 0xA0) || is_direction_mark(c.point)) {
      out += ' ';
    } else {
      out.append(text.substr(i, c.bytes));
    }
    i += c.bytes;
  }
  return out;
}

std::size_t width(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t escape = escape_length(text, i)) {
      i += escape;
      continue;
    }
    const Character c = decode(text, i);
    columns += c.valid ? width_of(c.point) : 1;
    i += c.bytes;
  }
  return columns;
}

std::string fitted(std::string_view text, std::size_t columns, bool unicode) {
  if (width(text) <= columns) return std::string(text);
  const std::string_view mark = unicode ? "…" : "...";
  const std::size_t mark_width = unicode ? 1 : 3;
  if (columns <= mark_width) return std::string(columns, '.');
  const std::size_t room = columns - mark_width;
  std::string out;
  bool coloured = false;
  std::size_t used = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (const std::size_t escape = escape_length(text, i)) {
      out.append(text.substr(i, escape));
      coloured = true;
      i += escape;
      continue;
    }
    const Character c = decode(text, i);
    const std::size_t wide = c.valid ? width_of(c.point) : 1;
    if (used + wide > room) break;
    out.append(text.substr(i, c.bytes));
    used += wide;
    i += c.bytes;
  }
  out += mark;
  if (coloured) out += "\x1b[0m";
  return out;
}

std::string padded(std::string_view text, std::size_t columns, Align align) {
  const std::size_t has = width(text);
  const std::string space(columns > has ? columns - has : 0, ' ');
  return align == Align::left ? std::string(text) + space : space + std::string(text);
}

std::string duration_text(std::uint64_t ms) {
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (ms < 10'000) return fmt::format("{}.{} s", ms / 1000, ms % 1000 / 100);
  const std::uint64_t seconds = ms / 1000, minutes = seconds / 60, hours = minutes / 60;
  if (minutes == 0) return fmt::format("{} s", seconds);
  if (hours == 0) return fmt::format("{} min {:02} s", minutes, seconds % 60);
  if (hours < 24) return fmt::format("{} h {:02} min", hours, minutes % 60);
  return fmt::format("{} d {} h", hours / 24, hours % 24);
}

std::string age_text(std::uint64_t now_ms, std::uint64_t then_ms) {
  if (then_ms == 0) return "-";
  return duration_text(now_ms > then_ms ? now_ms - then_ms : 0);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array units{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double number = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (number >= 1023.95 && unit + 1 < units.size()) {
    number /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", number, units[unit]);
}

std::string clock_text(std::uint64_t ms_since_1970) {
  const std::time_t seconds = static_cast<std::time_t>(ms_since_1970 / 1000);
  std::tm local{};
  if (localtime_r(&seconds, &local) == nullptr) return "--:--:--";
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

std::string progress_bar(double fraction, std::size_t columns, bool unicode) {
  constexpr std::array eighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  fraction = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  std::string bar;
  if (!unicode) {
    if (columns < 3) return std::string(columns, '.');
    const std::size_t full = static_cast<std::size_t>(fraction * static_cast<double>(columns - 2) + 1e-9);
    return "[" + std::string(full, '#') + std::string(columns - 2 - full, '.') + "]";
  }
  const std::size_t steps = static_cast<std::size_t>(fraction * static_cast<double>(columns * 8) + 1e-9);
  for (std::size_t i = 0; i < steps / 8; ++i) bar += "█";
  std::size_t drawn = steps / 8;
  if (steps % 8 != 0) {
    bar += eighths[steps % 8];
    ++drawn;
  }
  for (; drawn < columns; ++drawn) bar += "░";
  return bar;
}

}  // namespace ns::client
