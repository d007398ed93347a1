// The documentation of task files, made from their schemas: the text of TASKS.md. Pure; any thread.
#pragma once

#include <string>

namespace ns::client {

std::string task_guide();                         // all kinds; TASKS.md
std::string task_guide(const std::string& kind);  // one; Error(invalid) lists the kinds

}  // namespace ns::client
