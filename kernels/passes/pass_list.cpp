#include "kernels/passes/pass_list.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "common/error.h"
#include "kernels/passes/passes.h"

namespace ns::passes {

namespace {

// The order and why:
//   fold_constants            first: what follows looks for constants, and Dropout's training_mode may be a Constant
//   remove_identities         before the fusions: a Dropout between Conv and BatchNormalization hides the pair
//   fold_batch_normalization  after both
//   fold_bias                 after it: a layer whose scale was folded may still have an Add behind it
//   remove_dead               last: takes what the others left without a use
constexpr std::array<Pass, 5> kPasses{{
    {"fold_constants", fold_constants},
    {"remove_identities", remove_identities},
    {"fold_batch_normalization", fold_batch_normalization},
    {"fold_bias", fold_bias},
    {"remove_dead", remove_dead},
}};

void verify_after(const graph::Graph& graph, std::string_view pass) {
  try {
    verify(graph);
  } catch (const Error& error) {
    throw Error(ErrorCode::internal, "the pass " + std::string(pass) + " left a broken graph: " + error.what());
  }
}

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

std::vector<PassReport> simplify(graph::Graph& graph, std::span<const std::string> off) {
  std::vector<PassReport> reports;
  for (const Pass& pass : kPasses) {
    if (std::find(off.begin(), off.end(), pass.name) != off.end()) continue;
    const auto start = std::chrono::steady_clock::now();
    const int changes = pass.run(graph);
    verify_after(graph, pass.name);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    reports.push_back({pass.name, changes, took.count()});
  }
  return reports;
}

}  // namespace ns::passes
