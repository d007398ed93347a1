#include "client/terminal/table.h"

#include <algorithm>
#include <numeric>

namespace ns::client {

namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 8;  // a cut column keeps this much

std::string cell_of(const std::vector<std::string>& row, std::size_t column) {
  return column < row.size() ? printable(row[column]) : std::string();
}

std::vector<std::size_t> natural_widths(const Table& table) {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    std::size_t widest = width(printable(table.columns[i].title));
    for (const auto& row : table.rows) widest = std::max(widest, width(cell_of(row, i)));
    widths.push_back(widest);
  }
  return widths;
}

// Takes a column at a time from the widest left-aligned column until all fits or nothing more can be taken.
void narrow(const Table& table, std::vector<std::size_t>& widths, std::size_t max_width) {
  std::size_t all = std::accumulate(widths.begin(), widths.end(), std::size_t{0}) + kGap * (widths.size() - 1);
  while (all > max_width) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (table.columns[i].align == Align::left && widths[i] > kNarrowest && (!widest || widths[i] > *widest)) {
        widest = &widths[i];
      }
    }
    if (!widest) return;
    --*widest;
    --all;
  }
}

std::string line_of(const std::vector<std::string>& cells, const Table& table, const std::vector<std::size_t>& widths,
                    bool unicode) {
  std::string line;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (i > 0) line.append(kGap, ' ');
    line += padded(fitted(cell_of(cells, i), widths[i], unicode), widths[i], table.columns[i].align);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::vector<std::string> render(const Table& table, std::size_t max_width, bool unicode) {
  if (table.columns.empty()) return {};
  std::vector<std::size_t> widths = natural_widths(table);
  if (max_width > 0) narrow(table, widths, max_width);
  std::vector<std::string> lines;
  std::vector<std::string> titles;
  bool titled = false;
  for (const Column& column : table.columns) {
    titles.push_back(column.title);
    titled = titled || !column.title.empty();
  }
  if (titled) lines.push_back(line_of(titles, table, widths, unicode));
  for (const auto& row : table.rows) lines.push_back(line_of(row, table, widths, unicode));
  return lines;
}

}  // namespace ns::client
