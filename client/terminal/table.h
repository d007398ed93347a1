// A table in text: columns aligned by what is seen, not by bytes. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "client/terminal/text.h"

namespace ns::client {

struct Column {
  std::string title;
  Align align = Align::left;
};

struct Table {
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  // shorter rows end in empty cells; longer ones are cut
};

// One string a line, titles first (none when all are empty). Where the table is wider than `max_width` (0: any width is
// fine), its widest left-aligned columns are cut. Cells are made printable here.
std::vector<std::string> render(const Table& table, std::size_t max_width = 0, bool unicode = true);

}  // namespace ns::client
