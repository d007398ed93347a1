#include "kernels/runtime/session.h"

#include <fmt/format.h>

#include <map>

#include "kernels/runtime/plan_cache.h"

namespace ns::runtime {

using graph::Graph;
using graph::Tensor;

struct Session::State {
  std::shared_ptr<PlanCache> plans;
  std::list<std::unique_ptr<Workspace>> workspaces;  // last used first
};

namespace {

constexpr std::size_t kMaxWorkspaces = 2;  // of one session: a full batch and the shorter one at the end

void check_operators(const Graph& graph) {
  std::string unknown;
  for (const graph::Node& node : graph.nodes) {
    if (ops::find_op(node.domain, node.op_type, graph.opset_of(node)) != nullptr) continue;
    unknown += fmt::format("{}{}{} (node {})", unknown.empty() ? "" : ", ",
                           node.domain.empty() ? "" : node.domain + ".", node.op_type, node.name);
  }
  if (!unknown.empty()) throw Error(ErrorCode::unsupported, "operators that are not known: " + unknown, "model");
}

std::string declared_shape(const graph::Value& value) {
  std::string text;
  for (const graph::Dimension& dimension : *value.shape) {
    text += (text.empty() ? "" : ", ") + (dimension.known()        ? std::to_string(dimension.size)
                                          : dimension.name.empty() ? "?"
                                                                   : dimension.name);
  }
  return "[" + text + "]";
}

void check_input(const graph::Value& value, const Tensor& tensor, std::map<std::string, std::int64_t>& sizes) {
  if (tensor.type() != value.type) {
    throw Error(ErrorCode::invalid,
                fmt::format("input {} is {}, the model wants {}", value.name, graph::name_of(tensor.type()),
                            graph::name_of(value.type)),
                value.name);
  }
  if (!value.shape) return;
  bool fits = value.shape->size() == tensor.shape().size();
  for (std::size_t axis = 0; fits && axis < value.shape->size(); ++axis) {
    const graph::Dimension& wanted = (*value.shape)[axis];
    const std::int64_t size = tensor.shape()[axis];
    if (wanted.known()) {
      fits = wanted.size == size;
    } else if (!wanted.name.empty()) {
      fits = sizes.emplace(wanted.name, size).first->second == size;
    }
  }
  if (!fits) {
    throw Error(ErrorCode::invalid,
                fmt::format("input {} has the shape {}, the model wants {}", value.name,
                            graph::to_string(tensor.shape()), declared_shape(value)),
                value.name);
  }
}

bool fits_plan(const Plan& plan, std::span<const Tensor> inputs) {
  if (plan.inputs().size() != inputs.size()) return false;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (plan.inputs()[i].element != inputs[i].type() || plan.inputs()[i].shape != inputs[i].shape()) return false;
  }
  return true;
}

std::vector<ops::TensorType> checked_types(const Graph& graph, std::span<const Tensor> inputs) {
  if (inputs.size() != graph.inputs.size()) {
    throw Error(ErrorCode::invalid, fmt::format("{} inputs, the model wants {}", inputs.size(), graph.inputs.size()));
  }
  std::map<std::string, std::int64_t> sizes;
  std::vector<ops::TensorType> types;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check_input(graph.value(graph.inputs[i]), inputs[i], sizes);
    types.push_back({inputs[i].type(), inputs[i].shape()});
  }
  return types;
}

}  // namespace

Session::Session(std::shared_ptr<const Graph> graph, PlanOptions options) : state_(std::make_shared<State>()) {
  check_operators(*graph);
  state_->plans = std::make_shared<PlanCache>(std::move(graph), options);
}
Session::Session(std::shared_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

Session Session::share() const {
  auto state = std::make_shared<State>();
  state->plans = state_->plans;
  return Session(std::move(state));
}

const Graph& Session::graph() const { return *state_->plans->graph(); }

std::vector<Tensor> Session::run(std::span<const Tensor> inputs) {
  auto& workspaces = state_->workspaces;
  auto found = workspaces.begin();
  while (found != workspaces.end() && !fits_plan((*found)->plan(), inputs)) ++found;
  if (found == workspaces.end()) {
    const std::vector<ops::TensorType> types = checked_types(graph(), inputs);
    workspaces.push_front(std::make_unique<Workspace>(state_->plans->find_or_make(types)));
    if (workspaces.size() > kMaxWorkspaces) workspaces.pop_back();
  } else if (found != workspaces.begin()) {
    workspaces.splice(workspaces.begin(), workspaces, found);
  }
  return workspaces.front()->run(inputs);
}

std::vector<StepTime> Session::profile() const {
  return state_->workspaces.empty() ? std::vector<StepTime>{} : state_->workspaces.front()->profile();
}

std::size_t Session::arena_bytes() const {
  return state_->workspaces.empty() ? 0 : state_->workspaces.front()->plan().arena_bytes();
}

std::vector<std::string> Session::int8_nodes() const {
  if (state_->workspaces.empty()) return {};
  return state_->workspaces.front()->plan().program().int8_nodes;
}

}  // namespace ns::runtime
