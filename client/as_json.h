// Messages as the JSON that --json prints: every field by its name on the wire, texts that hold JSON as JSON.
// Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/messages.h"

namespace ns::client {

nlohmann::json as_json(const TaskInfo&);
nlohmann::json as_json(const TaskList&);
nlohmann::json as_json(const TrialInfo&);
nlohmann::json as_json(const Event&);
nlohmann::json as_json(const WorkerList&);
nlohmann::json as_json(const QueueInfo&);
nlohmann::json as_json(const DeadList&);
nlohmann::json as_json(const DeadChanged&);
nlohmann::json as_json(const Error&);

// The JSON that a text from the wire holds; null when it holds none.
nlohmann::json parsed(std::string_view text);

// One line on standard output; what is not UTF-8 is replaced.
void print_json(const nlohmann::json&);

}  // namespace ns::client
