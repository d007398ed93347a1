// Results as a table for a person and as one JSON object for a program.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/bench/engine/measure.h"

namespace ns::bench {

nlohmann::json to_json(const Results&, const Settings&);
void print(const Results&, const Settings&);

}  // namespace ns::bench
