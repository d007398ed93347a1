#include "client/watch/view.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/terminal/text.h"

namespace ns::client {

namespace {

struct Mark {
  std::string_view type;
  std::string_view unicode, ascii;
  Colour colour;
};

// The events that leave a line, and how it begins.
constexpr Mark kMarks[] = {
    {"task.checked", "✓", "ok", Colour::green},         {"trial.succeeded", "✓", "ok", Colour::green},
    {"trial.failed", "✗", "failed", Colour::red},       {"trial.early_stopped", "■", "stopped", Colour::yellow},
    {"trial.cancelled", "■", "cancelled", Colour::dim}, {"trial.retrying", "↻", "retry", Colour::yellow},
    {"trial.dead", "✗", "given up", Colour::red},       {"task.retrying", "↻", "retry", Colour::yellow},
};

bool is_trial(const Event& event) { return event.type.compare(0, 6, "trial.") == 0; }

std::string short_time(std::uint64_t from_ms, std::uint64_t to_ms) {
  return from_ms == 0 || to_ms < from_ms ? "" : duration_text(to_ms - from_ms);
}

std::string bar_line(const History& history, const std::string& name, std::uint64_t now_ms, const Terminal& terminal,
                     std::size_t columns) {
  const std::uint32_t done = history.done(), planned = history.planned();
  const double fraction = history.ended() ? 1.0 : planned ? static_cast<double>(done) / planned : 0.0;
  const std::string count = planned ? fmt::format("{}/{}", done, planned) : "";
  const std::string what = fmt::format("{}  {}", count, history.step().empty() ? history.state() : history.step());
  const std::string took = short_time(history.started_ms(), now_ms);
  const std::size_t bar = std::clamp<std::size_t>(columns / 4, 5, 40);
  return fmt::format("{}  {}  {}  {}", terminal.paint(Colour::bold, printable(name)),
                     terminal.paint(Colour::cyan, progress_bar(fraction, bar, terminal.unicode)), what,
                     terminal.paint(Colour::dim, took));
}

std::string running_line(std::uint32_t number, const History::Running& trial, std::uint64_t now_ms,
                         const Terminal& terminal) {
  const std::string again = trial.attempt > 1 ? fmt::format("  attempt {}", trial.attempt) : "";
  const std::string metrics = trial.metrics.empty() ? "" : "  " + trial.metrics;
  return fmt::format("  {} #{:<4} {}{}{}  {}", terminal.paint(Colour::cyan, terminal.unicode ? "▸" : ">"), number,
                     padded(short_time(trial.started_ms, now_ms), 8), again, metrics,
                     terminal.paint(Colour::dim, printable(trial.worker)));
}

}  // namespace

std::string event_line(const Event& event) {
  std::string line = fmt::format("{}  {}", clock_text(event.time_ms), padded(printable(event.type), 19));
  if (is_trial(event)) line += fmt::format("  #{}", event.trial);
  if (event.attempt > 1) line += fmt::format("  attempt {}", event.attempt);
  if (!event.worker.empty() && event.type.find(".started") != std::string::npos) line += "  " + printable(event.worker);
  if (const std::string detail = event_detail(event); !detail.empty()) line += "  " + detail;
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::optional<std::string> lasting_line(const Event& event, std::uint64_t started_ms, const Terminal& terminal) {
  const auto mark =
      std::find_if(std::begin(kMarks), std::end(kMarks), [&](const Mark& one) { return one.type == event.type; });
  if (mark == std::end(kMarks)) return std::nullopt;
  std::string line = "  " + terminal.paint(mark->colour, terminal.unicode ? mark->unicode : mark->ascii);
  if (is_trial(event)) line += fmt::format(" #{:<4}", event.trial);
  const std::string took = short_time(started_ms, event.time_ms);
  if (is_trial(event)) line += " " + padded(took, 8);
  line += " " + event_detail(event);
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::vector<std::string> live_lines(const History& history, const std::string& name, std::uint64_t now_ms,
                                    const std::string& notice, const Terminal& terminal, std::size_t columns,
                                    std::size_t rows) {
  std::vector<std::string> lines;
  const std::size_t fixed = 1 + (history.has_best() ? 1 : 0) + (notice.empty() ? 0 : 1);
  const std::size_t room = rows > fixed ? rows - fixed : 0;
  std::size_t shown = 0;
  for (const auto& [number, trial] : history.running()) {
    if (shown + 1 >= room && history.running().size() > room) {
      if (room > 0) lines.push_back(fmt::format("    and {} more", history.running().size() - shown));
      break;
    }
    lines.push_back(running_line(number, trial, now_ms, terminal));
    ++shown;
  }
  if (history.has_best()) {
    lines.push_back(
        fmt::format("  {} #{:<4} {}", terminal.paint(Colour::green, "best"), history.best_trial(), history.best()));
  }
  if (!notice.empty()) lines.push_back("  " + terminal.paint(Colour::yellow, notice));
  lines.push_back(bar_line(history, name, now_ms, terminal, columns));
  return lines;
}

}  // namespace ns::client
