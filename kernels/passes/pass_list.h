// Every pass, one function a file; pass_list.cpp has their order.
#pragma once

#include "kernels/graph/graph.h"

namespace ns::passes {

int fold_batch_normalization(graph::Graph&);
int fold_bias(graph::Graph&);
int fold_constants(graph::Graph&);
int remove_dead(graph::Graph&);
int remove_identities(graph::Graph&);

}  // namespace ns::passes
