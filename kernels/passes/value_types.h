// What is known of the values' types before the run. Pure functions; any thread.
#pragma once

#include <optional>
#include <vector>

#include "kernels/graph/graph.h"
#include "kernels/ops/op.h"

namespace ns::passes {

using ValueTypes = std::vector<std::optional<ops::TensorType>>;  // by value

// Types that hold in every run: they follow from constants and from inputs whose shapes are declared in full. What a
// file claims of values in between is not believed.
ValueTypes known_types(const graph::Graph&);

// Element types and ranks that hold in every run; the sizes are only an example (unknown ones count as 2).
ValueTypes example_types(const graph::Graph&);

// Infers the types of one node's outputs into `types`, when its inputs' are known.
void infer_into(const graph::Graph&, const graph::Node&, ValueTypes&);

}  // namespace ns::passes
