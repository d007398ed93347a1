#include "client/terminal/screen.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "client/terminal/text.h"

namespace ns::client {

namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value(environment(name));
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::tolower(c); });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

void write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;  // the terminal has gone; there is nobody to tell
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::size_t Terminal::columns() const {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

std::size_t Terminal::rows() const {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) return size.ws_row;
  return 24;
}

std::string Terminal::paint(Colour which, std::string_view text) const {
  if (!colour || which == Colour::none || text.empty()) return std::string(text);
  constexpr const char* codes[] = {"0", "1", "2", "32", "31", "33", "36"};
  return fmt::format("\x1b[{}m{}\x1b[0m", codes[static_cast<std::size_t>(which)], text);
}

Terminal terminal_of(int fd) {
  Terminal terminal;
  terminal.fd = fd;
  const std::string_view term = environment("TERM");
  terminal.live = ::isatty(fd) == 1 && !term.empty() && term != "dumb";
  terminal.unicode = locale_is_utf8();
  terminal.colour = terminal.live && environment("NO_COLOR").empty();
  return terminal;
}

std::size_t LiveArea::rows_taken() const {
  // A window made narrower has wrapped what was drawn.
  const std::size_t columns = terminal_.columns();
  std::size_t rows = 0;
  for (const std::string& line : drawn_) rows += std::max<std::size_t>(1, (width(line) + columns - 1) / columns);
  return rows;
}

void LiveArea::draw(const std::vector<std::string>& lasting, const std::vector<std::string>& area) {
  std::vector<std::string> lines;
  for (const std::string& line : area) lines.push_back(fitted(line, terminal_.columns() - 1, terminal_.unicode));
  if (lasting.empty() && lines == drawn_) return;
  std::string out;
  if (const std::size_t rows = rows_taken(); rows > 0) out += fmt::format("\r\x1b[{}A", rows);
  for (const std::string& line : lasting) out += line + "\x1b[K\n";
  for (const std::string& line : lines) out += line + "\x1b[K\n";
  out += "\x1b[J";
  drawn_ = std::move(lines);
  write_all(terminal_.fd, out);
}

}  // namespace ns::client
