// For operators that are defined through others: runs the plain versions of those, in the name of the node.
#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "kernels/ops/context.h"

namespace ns::ops {

using Attributes = std::map<std::string, graph::Attribute, std::less<>>;

inline constexpr std::int64_t kStepOpset = 21;

class Steps {
 public:
  explicit Steps(const Node& node) : node_(node) {}

  // All outputs; null inputs are left out.
  std::vector<Tensor> run_all(std::string_view type, std::vector<const Tensor*> inputs, const Attributes& = {},
                              std::size_t outputs = 1, std::int64_t opset = kStepOpset) const;
  // The first output.
  Tensor run(std::string_view type, std::vector<const Tensor*> inputs, const Attributes& attributes = {},
             std::int64_t opset = kStepOpset) const {
    return run_all(type, std::move(inputs), attributes, 1, opset).front();
  }
  Tensor cast(const Tensor&, ElementType) const;
  Tensor transpose(const Tensor&, const std::vector<std::int64_t>& perm) const;

  // The first output's type.
  TensorType infer(std::string_view type, const std::vector<TensorType>& inputs, const Attributes& = {},
                   std::int64_t opset = kStepOpset) const;

 private:
  Node step(std::string_view type, const Attributes&, std::size_t outputs) const;

  const Node& node_;
};

// Brings the channels from the last place to the second, or back.
std::vector<std::int64_t> channels_first(std::size_t rank);
std::vector<std::int64_t> channels_last(std::size_t rank);

}  // namespace ns::ops
