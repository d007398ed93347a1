#include "worker/commands/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "kernels/runtime/operations.h"
#include "kernels/runtime/peak.h"
#include "kernels/runtime/session.h"
#include "worker/commands/model.h"

namespace ns::worker {
namespace {

constexpr int kLongestGroup = 16;  // nodes from the last of a group up to its product

bool is_product(const graph::Node& node) {
  return node.op_type.find("Conv") != std::string::npos || node.op_type.find("MatMul") != std::string::npos ||
         node.op_type.find("Gemm") != std::string::npos;
}

bool names_product(const std::string& operation) {
  return operation.find("Conv") != std::string::npos || operation.find("MatMul") != std::string::npos ||
         operation.find("Gemm") != std::string::npos;
}

bool in_int8(const std::string& operation) { return operation.rfind("int8", 0) == 0; }

// The arithmetic of each group: that of the product whose results its last node stores.
class Counting {
 public:
  Counting(const graph::Graph& graph, const std::vector<graph::Tensor>& inputs)
      : graph_(graph), uses_(graph.uses()), resolved_(graph, types_of(inputs)) {
    for (std::size_t i = 0; i < graph.nodes.size(); ++i) by_name_[graph.nodes[i].name] = static_cast<std::int32_t>(i);
  }

  std::optional<double> operations(const runtime::StepTime& step) const {
    const auto found = by_name_.find(step.node);
    if (found == by_name_.end() || !names_product(step.operation)) return std::nullopt;
    const graph::Node* product = product_behind(found->second, kLongestGroup);
    if (product == nullptr) return std::nullopt;
    return runtime::operations_of(resolved_, *product);
  }

 private:
  static std::vector<ops::TensorType> types_of(const std::vector<graph::Tensor>& inputs) {
    std::vector<ops::TensorType> types;
    for (const graph::Tensor& input : inputs) types.push_back({input.type(), input.shape()});
    return types;
  }

  // The nearest one; what a residual addition adds lies further up.
  const graph::Node* product_behind(std::int32_t index, int depth) const {
    std::vector<std::int32_t> level{index};
    for (; depth > 0 && !level.empty(); --depth) {
      std::vector<std::int32_t> next;
      for (const std::int32_t at : level) {
        const graph::Node& node = graph_.nodes[static_cast<std::size_t>(at)];
        if (is_product(node)) return &node;
        for (const graph::ValueId input : node.inputs) {
          if (input == graph::kAbsent) continue;
          const std::int32_t producer = uses_.producer[static_cast<std::size_t>(input)];
          if (producer >= 0) next.push_back(producer);
        }
      }
      level = std::move(next);
    }
    return nullptr;
  }

  const graph::Graph& graph_;
  const graph::Graph::Uses uses_;
  runtime::Resolved resolved_;
  std::map<std::string, std::int32_t> by_name_;
};

std::vector<ProfiledStep> groups_of(const std::vector<ProfiledStep>& steps) {
  std::map<std::string, ProfiledStep> by_operation;
  for (const ProfiledStep& step : steps) {
    auto [entry, fresh] = by_operation.try_emplace(step.operation + "\n" + step.implementation, step);
    if (fresh) continue;
    ProfiledStep& group = entry->second;
    const double before = group.microseconds;
    group.microseconds += step.microseconds;
    ++group.steps;
    if (group.of_peak && step.of_peak) {
      group.of_peak =
          (*group.of_peak * before + *step.of_peak * step.microseconds) / std::max(1e-9, group.microseconds);
    }
  }
  std::vector<ProfiledStep> groups;
  for (auto& [operation, group] : by_operation) {
    group.node.clear();
    groups.push_back(std::move(group));
  }
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.microseconds > b.microseconds; });
  return groups;
}

std::vector<runtime::StepTime> timed_steps(std::shared_ptr<const graph::Graph> graph,
                                           const std::vector<std::vector<graph::Tensor>>& inputs, int threads,
                                           double seconds) {
  runtime::Session session(std::move(graph), {.threads = threads, .profile = true});
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  std::size_t run = 0;
  do session.run(inputs[run++ % inputs.size()]);
  while (std::chrono::steady_clock::now() < end);
  return session.profile();
}

nlohmann::json step_as_json(const ProfiledStep& step) {
  nlohmann::json json{
      {"operation", step.operation}, {"implementation", step.implementation}, {"microseconds", step.microseconds}};
  if (step.of_peak) json["of_peak"] = *step.of_peak;
  return json;
}

void print_step(const ProfiledStep& step, const std::string& name, double whole) {
  fmt::print("  {:>10.1f} us {:>5.1f} %  {:>7}  {}  {} [{}]\n", step.microseconds, 100 * step.microseconds / whole,
             step.of_peak ? fmt::format("{:.1f} %", 100 * *step.of_peak) : "", name, step.operation,
             step.implementation);
}

}  // namespace

Profile profile_of(std::shared_ptr<const graph::Graph> graph, const std::vector<std::vector<graph::Tensor>>& inputs,
                   int threads, double seconds) {
  const std::vector<runtime::StepTime> times = timed_steps(graph, inputs, threads, seconds);
  const Counting counting(*graph, inputs[0]);
  Profile profile;
  for (const runtime::StepTime& time : times) {
    ProfiledStep step{time.node, time.operation, time.implementation, time.microseconds, 1, std::nullopt};
    profile.whole_microseconds += time.microseconds;
    if (const std::optional<double> operations = counting.operations(time); operations && time.microseconds > 0) {
      double& peak = in_int8(time.operation) ? profile.peak_int8 : profile.peak_float;
      if (peak == 0) {
        peak = runtime::measured_peak(in_int8(time.operation) ? graph::ElementType::uint8 : graph::ElementType::float32,
                                      threads);
      }
      if (peak > 0) step.of_peak = *operations / (time.microseconds * 1e-6) / peak;
    }
    profile.steps.push_back(std::move(step));
  }
  profile.groups = groups_of(profile.steps);
  return profile;
}

nlohmann::json Profile::as_json() const {
  nlohmann::json json{{"microseconds", whole_microseconds},
                      {"peak_flops", peak_float},
                      {"peak_int8_ops", peak_int8},
                      {"nodes", nlohmann::json::array()},
                      {"groups", nlohmann::json::array()}};
  for (const ProfiledStep& step : steps) {
    json["nodes"].push_back(step_as_json(step));
    json["nodes"].back()["node"] = step.node;
  }
  for (const ProfiledStep& group : groups) {
    json["groups"].push_back(step_as_json(group));
    json["groups"].back()["steps"] = group.steps;
  }
  return json;
}

void Profile::print() const {
  const double whole = std::max(1e-9, whole_microseconds);
  fmt::print("\nprofile: {:.1f} us in {} steps", whole_microseconds, steps.size());
  if (peak_float > 0) fmt::print("; the machine's peak in float: {}FLOP/s", amount_text(peak_float));
  if (peak_int8 > 0) fmt::print("; in int8: {}OP/s", amount_text(peak_int8));
  fmt::print("\nby kind of group (time, share of it, share of the peak, how many)\n");
  for (const ProfiledStep& group : groups) print_step(group, fmt::format("{:>3} x", group.steps), whole);
  fmt::print("by node, in order\n");
  for (const ProfiledStep& step : steps) print_step(step, step.node, whole);
}

}  // namespace ns::worker
