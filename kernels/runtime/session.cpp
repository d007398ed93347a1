#include "kernels/runtime/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kernels/runtime/batch_runner.h"
#include "kernels/runtime/plan_cache.h"
#include "kernels/runtime/staged.h"

namespace ns::runtime {

using graph::Graph;
using graph::Tensor;

namespace {

constexpr std::size_t kMaxWorkspaces = 2;  // of one session: a full batch and the shorter one at the end
constexpr std::size_t kMaxChoices = 64;    // of how a batch is run

PlanOptions on_one_thread(PlanOptions options) {
  options.threads = 1;
  return options;
}

// What the sessions of one graph have in common: plans of the whole and of parts of a batch, or stages once it is known
// to need data.
class Compiled {
 public:
  Compiled(const std::shared_ptr<const Graph>& graph, const PlanOptions& options)
      : plans_(graph, options), part_plans_(std::make_shared<PlanCache>(graph, on_one_thread(options))) {}

  PlanCache& plans() { return plans_; }
  const std::shared_ptr<PlanCache>& part_plans() const { return part_plans_; }

  // Measured by the first who asks, on its inputs; others wait for it.
  BatchParts parts_of(const std::vector<ops::TensorType>& types, std::span<const Tensor> inputs) {
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(choices_.begin(), choices_.end(),
                                    [&](const BatchParts& parts) { return same_types(parts.inputs, types); });
    if (known != choices_.end()) return *known;
    const PlanOptions& options = plans_.options();
    choices_.push_front(options.plain || options.profile || !options.batch_in_parts
                            ? BatchParts{.inputs = types, .batch = 0, .samples = 0}
                            : choose_parts(plans_, *part_plans_, types, inputs));
    if (choices_.size() > kMaxChoices) choices_.pop_back();
    return choices_.front();
  }
  const std::shared_ptr<const Graph>& graph() const { return plans_.graph(); }

  std::shared_ptr<Staged> staged() const {
    const std::lock_guard lock(mutex_);
    return staged_;
  }
  std::shared_ptr<Staged> stage() {
    const std::lock_guard lock(mutex_);
    if (!staged_) staged_ = std::make_shared<Staged>(plans_.graph(), plans_.options());
    return staged_;
  }

 private:
  PlanCache plans_;
  std::shared_ptr<PlanCache> part_plans_;
  mutable std::mutex mutex_;
  std::list<BatchParts> choices_;
  std::shared_ptr<Staged> staged_;
};

}  // namespace

struct Session::State {
  std::shared_ptr<Compiled> compiled;
  std::list<std::unique_ptr<Workspace>> workspaces;  // last used first
  std::list<std::unique_ptr<BatchRunner>> batches;   // those that are run in parts; last used first
  std::unique_ptr<StagedRun> staged;                 // of a graph that needs data
};

namespace {

void list_unknown(const Graph& graph, std::string& unknown) {
  for (const graph::Node& node : graph.nodes) {
    for (const auto& subgraph : graph::subgraphs_of(node)) list_unknown(*subgraph, unknown);
    if (is_control_flow(node) || ops::find_op(node.domain, node.op_type, graph.opset_of(node)) != nullptr) continue;
    unknown += fmt::format("{}{}{} (node {})", unknown.empty() ? "" : ", ",
                           node.domain.empty() ? "" : node.domain + ".", node.op_type, node.name);
  }
}

void check_operators(const Graph& graph) {
  std::string unknown;
  list_unknown(graph, unknown);
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
  if (tensor.type() != value.type && value.type != graph::ElementType::undefined) {
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

bool fits(const std::vector<ops::TensorType>& types, std::span<const Tensor> inputs) {
  return std::equal(types.begin(), types.end(), inputs.begin(), inputs.end(),
                    [](const ops::TensorType& type, const Tensor& input) {
                      return type.element == input.type() && type.shape == input.shape();
                    });
}

// Moves the first that fits to the front; false when there is none.
template <typename List, typename Fits>
bool bring_to_front(List& list, Fits&& fits_one) {
  const auto found = std::find_if(list.begin(), list.end(), fits_one);
  if (found == list.end()) return false;
  if (found != list.begin()) list.splice(list.begin(), list, found);
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
  state_->compiled = std::make_shared<Compiled>(std::move(graph), options);
}
Session::Session(std::shared_ptr<State> state) : state_(std::move(state)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

Session Session::share() const {
  auto state = std::make_shared<State>();
  state->compiled = state_->compiled;
  return Session(std::move(state));
}

const Graph& Session::graph() const { return *state_->compiled->graph(); }

std::vector<Tensor> Session::run(std::span<const Tensor> inputs) {
  State& state = *state_;
  const auto by_plan = [&](const auto& workspace) { return fits(workspace->plan().inputs(), inputs); };
  const auto by_parts = [&](const auto& runner) { return fits(runner->parts().inputs, inputs); };
  if (bring_to_front(state.workspaces, by_plan)) return state.workspaces.front()->run(inputs);
  if (bring_to_front(state.batches, by_parts)) return state.batches.front()->run(inputs);
  const std::vector<ops::TensorType> types = checked_types(graph(), inputs);
  if (is_staged(types)) return state.staged->run(inputs);
  const BatchParts parts = state.compiled->parts_of(types, inputs);
  if (parts.samples > 0) {
    const int threads = state.compiled->plans().options().threads;
    state.batches.push_front(std::make_unique<BatchRunner>(state.compiled->part_plans(), parts, threads));
    if (state.batches.size() > kMaxWorkspaces) state.batches.pop_back();
    return state.batches.front()->run(inputs);
  }
  state.workspaces.push_front(std::make_unique<Workspace>(state.compiled->plans().find_or_make(types)));
  if (state.workspaces.size() > kMaxWorkspaces) state.workspaces.pop_back();
  return state.workspaces.front()->run(inputs);
}

// A graph that once needed data runs in stages from then on.
bool Session::is_staged(const std::vector<ops::TensorType>& types) {
  if (state_->staged) return true;
  std::shared_ptr<Staged> staged = state_->compiled->staged();
  if (!staged) {
    try {
      state_->compiled->plans().find_or_make(types);
      return false;
    } catch (const ops::NeedsData&) {
      staged = state_->compiled->stage();
    }
  }
  state_->workspaces.clear();
  state_->staged = std::make_unique<StagedRun>(std::move(staged));
  return true;
}

std::vector<StepTime> Session::profile() const {
  if (state_->staged) return state_->staged->profile();
  return state_->workspaces.empty() ? std::vector<StepTime>{} : state_->workspaces.front()->profile();
}

std::size_t Session::arena_bytes() const {
  if (state_->staged) {
    std::size_t bytes = 0;
    for (const Session* session : state_->staged->sessions()) bytes += session->arena_bytes();
    return bytes;
  }
  const Plan* plan = last_plan();
  return plan == nullptr ? 0 : plan->arena_bytes();
}

std::vector<std::string> Session::int8_nodes() const {
  if (state_->staged) {
    std::vector<std::string> nodes;
    for (const Session* session : state_->staged->sessions()) {
      for (std::string& node : session->int8_nodes()) nodes.push_back(std::move(node));
    }
    return nodes;
  }
  const Plan* plan = last_plan();
  return plan == nullptr ? std::vector<std::string>{} : plan->program().int8_nodes;
}

const Plan* Session::last_plan() const {
  if (!state_->workspaces.empty()) return &state_->workspaces.front()->plan();
  return state_->batches.empty() ? nullptr : &state_->batches.front()->plan();
}

}  // namespace ns::runtime
