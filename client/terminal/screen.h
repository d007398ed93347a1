// The terminal that a stream leads to, and the few lines at its bottom that are redrawn while something goes on.
// One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ns::client {

enum class Colour { none, bold, dim, green, red, yellow, cyan };

struct Terminal {
  int fd = 1;
  bool live = false;  // a person looks at it, and lines can be redrawn
  bool unicode = false;
  bool colour = false;

  std::size_t columns() const;  // 80 where nobody knows
  std::size_t rows() const;
  std::string paint(Colour, std::string_view text) const;  // the text as it is where there are no colours
};

// What `fd` leads to, by isatty, TERM, NO_COLOR and the locale's variables.
Terminal terminal_of(int fd);

class LiveArea {
 public:
  explicit LiveArea(const Terminal& terminal) : terminal_(terminal) {}
  ~LiveArea() { clear(); }
  LiveArea(const LiveArea&) = delete;
  LiveArea& operator=(const LiveArea&) = delete;

  // Writes `lasting` lines above the area, which stay, and then the area's lines; in one write, so nothing flickers.
  // The area's lines are cut to the width; lasting ones may wrap.
  void draw(const std::vector<std::string>& lasting, const std::vector<std::string>& area);
  void clear() { draw({}, {}); }

 private:
  std::size_t rows_taken() const;

  const Terminal& terminal_;
  std::vector<std::string> drawn_;
};

}  // namespace ns::client
