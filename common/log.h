// What a process says of itself, on standard error: one line an event, time, level, program, text.
// Any thread. Text from a peer is printed with control characters replaced. Nothing here waits for a reader: what does
// not fit into standard error at once (a pipe that nobody reads) is dropped, and said to be as soon as there is room.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <utility>

namespace ns::log {

enum class Level { debug, info, warning, error, off };

// "debug", "info", "warning", "error" or "off"; Error(invalid) otherwise.
Level level_from(const std::string& word);

// Once, at the start of main.
void start(const std::string& program, Level level);

bool enabled(Level level);
void write(Level level, std::string_view text);
void pass_on(std::string_view bytes);  // a child's output, as it is

template <typename... Arguments>
void debug(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(text, std::forward<Arguments>(arguments)...));
}
template <typename... Arguments>
void info(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  if (enabled(Level::info)) write(Level::info, fmt::format(text, std::forward<Arguments>(arguments)...));
}
template <typename... Arguments>
void warning(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  if (enabled(Level::warning)) write(Level::warning, fmt::format(text, std::forward<Arguments>(arguments)...));
}
template <typename... Arguments>
void error(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
  if (enabled(Level::error)) write(Level::error, fmt::format(text, std::forward<Arguments>(arguments)...));
}

}  // namespace ns::log
