// A task's history as lines of text. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/terminal/screen.h"
#include "client/watch/history.h"

namespace ns::client {

// What the pipe gets: "14:03:07  trial.succeeded  #3  top1 98.33 %, 0.021 ms".
std::string event_line(const Event&);

// What stays on the terminal above the bar, for the events that are worth it: trials as they end, retries, the check.
// `started_ms`: when the event's trial began, 0 where unknown.
std::optional<std::string> lasting_line(const Event&, std::uint64_t started_ms, const Terminal&);

// The lines at the bottom: best so far, what runs, the progress bar. At most `rows` of them, `columns` wide.
std::vector<std::string> live_lines(const History&, const std::string& name, std::uint64_t now_ms,
                                    const std::string& notice, const Terminal&, std::size_t columns, std::size_t rows);

}  // namespace ns::client
