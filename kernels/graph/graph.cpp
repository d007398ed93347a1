#include "kernels/graph/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <queue>
#include <set>
#include <unordered_set>

namespace ns::graph {

namespace {

template <typename T>
constexpr std::string_view attribute_kind() {
  if constexpr (std::is_same_v<T, std::int64_t>) return "an integer";
  if constexpr (std::is_same_v<T, float>) return "a float";
  if constexpr (std::is_same_v<T, std::string>) return "a string";
  if constexpr (std::is_same_v<T, Tensor>) return "a tensor";
  if constexpr (std::is_same_v<T, std::vector<std::int64_t>>) return "a list of integers";
  if constexpr (std::is_same_v<T, std::vector<float>>) return "a list of floats";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return "a list of strings";
  return "a graph";
}

template <typename T>
const T* typed_attribute(const Node& node, std::string_view attribute) {
  const auto found = node.attributes.find(attribute);
  if (found == node.attributes.end()) return nullptr;
  if (const T* value = std::get_if<T>(&found->second)) return value;
  const std::string_view kind =
      std::visit([](const auto& value) { return attribute_kind<std::decay_t<decltype(value)>>(); }, found->second);
  throw Error(ErrorCode::invalid,
              fmt::format("{}: attribute '{}' is {}, wanted {}", describe(node), attribute, kind, attribute_kind<T>()));
}

template <typename T>
T attribute_or(const Node& node, std::string_view attribute, T fallback) {
  const T* value = typed_attribute<T>(node, attribute);
  return value != nullptr ? *value : std::move(fallback);
}

bool is_captured(const Graph& graph, const Graph::Uses& uses, ValueId id) {
  return uses.producer[static_cast<std::size_t>(id)] < 0 && !graph.value(id).constant.defined() &&
         std::find(graph.inputs.begin(), graph.inputs.end(), id) == graph.inputs.end();
}

std::string dimensions_text(const std::optional<std::vector<Dimension>>& shape) {
  if (!shape) return "[...]";
  std::vector<std::string> sizes;
  for (const Dimension& dimension : *shape) {
    sizes.push_back(dimension.known() ? std::to_string(dimension.size)
                                      : (dimension.name.empty() ? "?" : dimension.name));
  }
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

std::string value_text(const Graph& graph, ValueId id) {
  if (id == kAbsent) return "-";
  const Value& value = graph.value(id);
  return fmt::format("{}{} {}{}", value.constant.defined() ? "#" : "", value.name, name_of(value.type),
                     value.constant.defined() ? to_string(value.constant.shape()) : dimensions_text(value.shape));
}

std::string attribute_text(const Attribute& attribute) {
  struct Text {
    std::string operator()(std::int64_t value) const { return std::to_string(value); }
    std::string operator()(float value) const { return fmt::format("{}", value); }
    std::string operator()(const std::string& value) const { return fmt::format("'{}'", value); }
    std::string operator()(const Tensor& value) const {
      return fmt::format("{}{}", name_of(value.type()), to_string(value.shape()));
    }
    std::string operator()(const std::vector<std::int64_t>& value) const {
      return fmt::format("[{}]", fmt::join(value, ", "));
    }
    std::string operator()(const std::vector<float>& value) const {
      return fmt::format("[{}]", fmt::join(value, ", "));
    }
    std::string operator()(const std::vector<std::string>& value) const {
      return fmt::format("['{}']", fmt::join(value, "', '"));
    }
    std::string operator()(const std::shared_ptr<const Graph>& value) const {
      return fmt::format("graph({} nodes)", value->nodes.size());
    }
  };
  return std::visit(Text{}, attribute);
}

// In a sub-graph a value that nothing makes is taken from the graph around it: its name must be known there.
using OuterNames = std::unordered_set<std::string>;

class Verifier {
 public:
  Verifier(const Graph& graph, const OuterNames* outer) : graph_(graph), outer_(outer) {}

  void run() {
    check_values();
    made_.assign(graph_.value_count(), false);
    for (std::size_t id = 0; id < graph_.value_count(); ++id) {
      if (graph_.value(static_cast<ValueId>(id)).constant.defined()) made_[id] = true;
    }
    check_inputs();
    check_node_names();
    for (const Node& node : graph_.nodes) check_node(node);
    for (const ValueId id : graph_.outputs) {
      check_id(id, "graph outputs");
      check_made(id, "graph outputs");
    }
  }

 private:
  void check_values() const {
    for (std::size_t i = 0; i < graph_.value_count(); ++i) {
      const Value& value = graph_.value(static_cast<ValueId>(i));
      if (graph_.find(value.name) != static_cast<ValueId>(i)) {
        throw Error(ErrorCode::invalid, fmt::format("value '{}' is not unique or was renamed", value.name));
      }
      if (value.constant.defined() && value.type != value.constant.type()) {
        throw Error(ErrorCode::invalid, fmt::format("constant '{}' holds {}, declared as {}", value.name,
                                                    name_of(value.constant.type()), name_of(value.type)));
      }
    }
  }

  void check_inputs() {
    std::set<ValueId> seen;
    for (const ValueId id : graph_.inputs) {
      check_id(id, "graph inputs");
      const Value& value = graph_.value(id);
      if (!seen.insert(id).second) {
        throw Error(ErrorCode::invalid, fmt::format("graph input '{}' is listed twice", value.name));
      }
      if (value.constant.defined()) {
        throw Error(ErrorCode::invalid, fmt::format("graph input '{}' is also a constant", value.name));
      }
      made_[static_cast<std::size_t>(id)] = true;
    }
  }

  void check_node_names() const {
    std::unordered_set<std::string_view> names;
    for (const Node& node : graph_.nodes) {
      if (node.name.empty() || !names.insert(node.name).second) {
        throw Error(ErrorCode::invalid, fmt::format("{}: node names must be unique and not empty", describe(node)));
      }
    }
  }

  void check_node(const Node& node) {
    for (const ValueId id : node.inputs) {
      if (id == kAbsent) continue;
      check_id(id, describe(node));
      check_made(id, describe(node));
    }
    check_subgraphs(node);
    for (const ValueId id : node.outputs) {
      if (id == kAbsent) continue;
      check_id(id, describe(node));
      if (made_[static_cast<std::size_t>(id)]) {
        throw Error(ErrorCode::invalid,
                    fmt::format("{}: output '{}' is made twice", describe(node), graph_.value(id).name));
      }
      made_[static_cast<std::size_t>(id)] = true;
    }
  }

  void check_subgraphs(const Node& node) const {
    const auto subgraphs = subgraphs_of(node);
    if (subgraphs.empty()) return;
    OuterNames names = outer_ != nullptr ? *outer_ : OuterNames{};
    for (std::size_t i = 0; i < graph_.value_count(); ++i) {
      if (made_[i]) names.insert(graph_.value(static_cast<ValueId>(i)).name);
    }
    for (const auto& subgraph : subgraphs) Verifier(*subgraph, &names).run();
  }

  void check_id(ValueId id, std::string_view where) const {
    if (id < 0 || static_cast<std::size_t>(id) >= graph_.value_count()) {
      throw Error(ErrorCode::invalid, fmt::format("{}: no value has the number {}", where, id));
    }
  }

  void check_made(ValueId id, std::string_view where) const {
    if (made_[static_cast<std::size_t>(id)]) return;
    const std::string& name = graph_.value(id).name;
    if (outer_ != nullptr && outer_->count(name) > 0) return;
    throw Error(ErrorCode::invalid,
                fmt::format("{}: '{}' is neither an input, nor a constant, nor made by a node before", where, name));
  }

  const Graph& graph_;
  const OuterNames* outer_;
  std::vector<bool> made_;
};

// A copy of a sub-graph in which what was captured as `from` is captured as `to`; null when it does not capture it.
std::shared_ptr<const Graph> with_capture_renamed(const Graph& subgraph, const std::string& from,
                                                  const std::string& to) {
  const std::vector<std::string> names = captured_names(subgraph);
  if (!std::binary_search(names.begin(), names.end(), from)) return nullptr;
  auto copy = std::make_shared<Graph>(subgraph);
  const ValueId old_id = copy->find(from);
  if (old_id != kAbsent) {
    ValueId new_id = copy->find(to);
    if (new_id == kAbsent) new_id = copy->add_value({to, copy->value(old_id).type, copy->value(old_id).shape, {}});
    copy->replace_uses(old_id, new_id);
  }
  for (Node& node : copy->nodes) {
    for (auto& [key, attribute] : node.attributes) {
      if (auto* inner = std::get_if<std::shared_ptr<const Graph>>(&attribute)) {
        if (auto renamed = with_capture_renamed(**inner, from, to)) *inner = std::move(renamed);
      }
    }
  }
  copy->prune_values();
  return copy;
}

bool equal_shapes(const std::optional<std::vector<Dimension>>& a, const std::optional<std::vector<Dimension>>& b) {
  if (a.has_value() != b.has_value()) return false;
  return !a || std::equal(a->begin(), a->end(), b->begin(), b->end(),
                          [](const Dimension& x, const Dimension& y) { return x.size == y.size && x.name == y.name; });
}

bool equal_bodies(const Graph& a, const Graph& b);

bool equal_floats(const std::vector<float>& a, const std::vector<float>& b) {  // by their bits: NaN equals NaN
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

bool equal_attributes(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&](const auto& x) {
        using T = std::decay_t<decltype(x)>;
        const T& y = std::get<T>(b);
        if constexpr (std::is_same_v<T, Tensor>) {
          return equal(x, y);
        } else if constexpr (std::is_same_v<T, std::shared_ptr<const Graph>>) {
          return equal_bodies(*x, *y);  // versions are those of the model
        } else if constexpr (std::is_same_v<T, std::vector<float>>) {
          return equal_floats(x, y);
        } else if constexpr (std::is_same_v<T, float>) {
          return equal_floats({x}, {y});
        } else {
          return x == y;
        }
      },
      a);
}

bool equal_bodies(const Graph& a, const Graph& b) {
  if (a.name != b.name || a.inputs.size() != b.inputs.size() || a.outputs.size() != b.outputs.size() ||
      a.nodes.size() != b.nodes.size() || a.value_count() != b.value_count()) {
    return false;
  }
  const auto same_value = [&](ValueId x, ValueId y) {
    return x == kAbsent || y == kAbsent ? x == y : a.value(x).name == b.value(y).name;
  };
  const auto same_values = [&](const std::vector<ValueId>& x, const std::vector<ValueId>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same_value);
  };
  for (std::size_t i = 0; i < a.value_count(); ++i) {
    const Value& x = a.value(static_cast<ValueId>(i));
    const ValueId other = b.find(x.name);
    if (other == kAbsent) return false;
    const Value& y = b.value(other);
    if (x.type != y.type || !equal_shapes(x.shape, y.shape) || !equal(x.constant, y.constant)) return false;
  }
  for (std::size_t i = 0; i < a.nodes.size(); ++i) {
    const Node& x = a.nodes[i];
    const Node& y = b.nodes[i];
    const auto same_attribute = [](const auto& p, const auto& q) {
      return p.first == q.first && equal_attributes(p.second, q.second);
    };
    if (x.name != y.name || x.domain != y.domain || x.op_type != y.op_type || !same_values(x.inputs, y.inputs) ||
        !same_values(x.outputs, y.outputs) ||
        !std::equal(x.attributes.begin(), x.attributes.end(), y.attributes.begin(), y.attributes.end(),
                    same_attribute)) {
      return false;
    }
  }
  return same_values(a.inputs, b.inputs) && same_values(a.outputs, b.outputs);
}

}  // namespace

std::int64_t Node::integer(std::string_view attribute, std::int64_t fallback) const {
  return attribute_or<std::int64_t>(*this, attribute, fallback);
}

float Node::real(std::string_view attribute, float fallback) const {
  return attribute_or<float>(*this, attribute, fallback);
}

std::string Node::text(std::string_view attribute, std::string fallback) const {
  return attribute_or<std::string>(*this, attribute, std::move(fallback));
}

std::vector<std::int64_t> Node::integers(std::string_view attribute, std::vector<std::int64_t> fallback) const {
  return attribute_or<std::vector<std::int64_t>>(*this, attribute, std::move(fallback));
}

std::vector<float> Node::reals(std::string_view attribute, std::vector<float> fallback) const {
  return attribute_or<std::vector<float>>(*this, attribute, std::move(fallback));
}

const Tensor* Node::tensor(std::string_view attribute) const { return typed_attribute<Tensor>(*this, attribute); }

std::int64_t Graph::opset() const {
  const auto found = opsets.find("");
  return found != opsets.end() ? found->second : 1;
}

std::int64_t Graph::opset_of(const Node& node) const {
  const auto found = opsets.find(node.domain);
  return found != opsets.end() ? found->second : 1;
}

ValueId Graph::add_value(Value value) {
  const auto id = static_cast<ValueId>(values_.size());
  if (value.name.empty()) throw Error(ErrorCode::invalid, "a value needs a name");
  if (!by_name_.emplace(value.name, id).second) {
    throw Error(ErrorCode::invalid, fmt::format("two values are named '{}'", value.name));
  }
  values_.push_back(std::move(value));
  return id;
}

ValueId Graph::add_constant(std::string constant_name, Tensor tensor) {
  Value value;
  value.name = std::move(constant_name);
  value.type = tensor.type();
  value.shape.emplace();
  for (const std::int64_t size : tensor.shape()) value.shape->push_back({size, {}});
  value.constant = std::move(tensor);
  return add_value(std::move(value));
}

ValueId Graph::find(std::string_view value_name) const {
  const auto found = by_name_.find(std::string(value_name));
  return found != by_name_.end() ? found->second : kAbsent;
}

std::string Graph::unused_name(std::string_view stem) const {
  std::string candidate(stem);
  for (std::int64_t i = 1; candidate.empty() || by_name_.count(candidate) > 0; ++i) {
    candidate = fmt::format("{}_{}", stem, i);
  }
  return candidate;
}

Graph::Uses Graph::uses() const {
  Uses uses;
  uses.producer.assign(values_.size(), -1);
  uses.consumers.resize(values_.size());
  uses.is_output.assign(values_.size(), false);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto number = static_cast<std::int32_t>(i);
    for (const ValueId id : nodes[i].inputs) {
      if (id != kAbsent) uses.consumers.at(static_cast<std::size_t>(id)).push_back(number);
    }
    for (const auto& subgraph : subgraphs_of(nodes[i])) {
      for (const std::string& captured : captured_names(*subgraph)) {
        const ValueId id = find(captured);
        if (id != kAbsent) uses.consumers[static_cast<std::size_t>(id)].push_back(number);
      }
    }
    for (const ValueId id : nodes[i].outputs) {
      if (id != kAbsent) uses.producer.at(static_cast<std::size_t>(id)) = number;
    }
  }
  for (const ValueId id : outputs) uses.is_output.at(static_cast<std::size_t>(id)) = true;
  return uses;
}

void Graph::replace_uses(ValueId from, ValueId to) {
  const std::string from_name = value(from).name;
  const std::string to_name = value(to).name;
  for (Node& node : nodes) {
    std::replace(node.inputs.begin(), node.inputs.end(), from, to);
    for (auto& [key, attribute] : node.attributes) {
      if (auto* subgraph = std::get_if<std::shared_ptr<const Graph>>(&attribute)) {
        if (auto renamed = with_capture_renamed(**subgraph, from_name, to_name)) *subgraph = std::move(renamed);
      }
    }
  }
  std::replace(outputs.begin(), outputs.end(), from, to);
}

void Graph::sort() {
  const Uses links = uses();
  std::vector<int> waiting(nodes.size(), 0);
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (links.producer[i] < 0) continue;
    for (const std::int32_t consumer : links.consumers[i]) ++waiting[static_cast<std::size_t>(consumer)];
  }
  // The lowest number first: a graph that is in order stays as it is.
  std::priority_queue<std::int32_t, std::vector<std::int32_t>, std::greater<>> ready;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (waiting[i] == 0) ready.push(static_cast<std::int32_t>(i));
  }
  std::vector<std::int32_t> order;
  while (!ready.empty()) {
    const std::int32_t next = ready.top();
    ready.pop();
    order.push_back(next);
    for (const ValueId id : nodes[static_cast<std::size_t>(next)].outputs) {
      if (id == kAbsent || links.producer[static_cast<std::size_t>(id)] != next) continue;
      for (const std::int32_t consumer : links.consumers[static_cast<std::size_t>(id)]) {
        if (--waiting[static_cast<std::size_t>(consumer)] == 0) ready.push(consumer);
      }
    }
  }
  if (order.size() < nodes.size()) {
    const auto stuck = std::find_if(waiting.begin(), waiting.end(), [](int count) { return count > 0; });
    throw Error(ErrorCode::invalid, fmt::format("{}: lies on or behind a cycle",
                                                describe(nodes[static_cast<std::size_t>(stuck - waiting.begin())])));
  }
  std::vector<Node> sorted;
  sorted.reserve(nodes.size());
  for (const std::int32_t number : order) sorted.push_back(std::move(nodes[static_cast<std::size_t>(number)]));
  nodes = std::move(sorted);
}

int Graph::prune_values() {
  const Uses links = uses();
  std::vector<bool> kept(values_.size(), false);
  for (std::size_t i = 0; i < values_.size(); ++i) {
    kept[i] = links.producer[i] >= 0 || !links.consumers[i].empty() || links.is_output[i];
  }
  for (const ValueId id : inputs) kept[static_cast<std::size_t>(id)] = true;

  std::vector<ValueId> renumbered(values_.size(), kAbsent);
  std::vector<Value> values;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (!kept[i]) continue;
    renumbered[i] = static_cast<ValueId>(values.size());
    values.push_back(std::move(values_[i]));
  }
  const int forgotten = static_cast<int>(values_.size() - values.size());
  values_ = std::move(values);
  by_name_.clear();
  for (std::size_t i = 0; i < values_.size(); ++i) by_name_.emplace(values_[i].name, static_cast<ValueId>(i));
  const auto renumber = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids) {
      if (id != kAbsent) id = renumbered[static_cast<std::size_t>(id)];
    }
  };
  for (Node& node : nodes) {
    renumber(node.inputs);
    renumber(node.outputs);
  }
  renumber(inputs);
  renumber(outputs);
  return forgotten;
}

std::vector<std::string> captured_names(const Graph& subgraph) {
  const Graph::Uses uses = subgraph.uses();
  std::set<std::string> names;
  for (std::size_t i = 0; i < subgraph.value_count(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if ((!uses.consumers[i].empty() || uses.is_output[i]) && is_captured(subgraph, uses, id)) {
      names.insert(subgraph.value(id).name);
    }
  }
  for (const Node& node : subgraph.nodes) {
    for (const auto& inner : subgraphs_of(node)) {
      for (std::string& name : captured_names(*inner)) {
        if (subgraph.find(name) == kAbsent) names.insert(std::move(name));
      }
    }
  }
  return {names.begin(), names.end()};
}

std::vector<ValueId> captured_values(const Graph& graph, const Node& node) {
  std::vector<ValueId> captured;
  for (const auto& subgraph : subgraphs_of(node)) {
    for (const std::string& name : captured_names(*subgraph)) {
      captured.push_back(graph.find(name));
      if (captured.back() != kAbsent) continue;
      throw Error(ErrorCode::invalid, fmt::format("{}: its sub-graph '{}' uses the value '{}', which nothing makes",
                                                  describe(node), subgraph->name, name));
    }
  }
  return captured;
}

std::vector<std::shared_ptr<const Graph>> subgraphs_of(const Node& node) {
  std::vector<std::shared_ptr<const Graph>> subgraphs;
  for (const auto& [key, attribute] : node.attributes) {
    if (const auto* subgraph = std::get_if<std::shared_ptr<const Graph>>(&attribute)) subgraphs.push_back(*subgraph);
  }
  return subgraphs;
}

bool equal(const Tensor& a, const Tensor& b) {
  return a.type() == b.type() && a.shape() == b.shape() &&
         (a.byte_count() == 0 || std::memcmp(a.bytes(), b.bytes(), a.byte_count()) == 0);
}

bool equal(const Graph& a, const Graph& b) {
  return a.opsets == b.opsets && a.ir_version == b.ir_version && a.producer == b.producer && equal_bodies(a, b);
}

void verify(const Graph& graph) { Verifier(graph, nullptr).run(); }

std::string dump(const Graph& graph) {
  std::string text = fmt::format("graph '{}' opset {} ir {}\n", graph.name, graph.opset(), graph.ir_version);
  for (const ValueId id : graph.inputs) text += fmt::format("  input {}\n", value_text(graph, id));
  for (const Node& node : graph.nodes) {
    std::vector<std::string> made, used, attributes;
    for (const ValueId id : node.outputs) made.push_back(value_text(graph, id));
    for (const ValueId id : node.inputs) used.push_back(value_text(graph, id));
    for (const auto& [key, attribute] : node.attributes) {
      attributes.push_back(fmt::format("{}={}", key, attribute_text(attribute)));
    }
    text += fmt::format("  {} = {}{}{}({}) {{{}}}  '{}'\n", fmt::join(made, ", "), node.domain,
                        node.domain.empty() ? "" : ".", node.op_type, fmt::join(used, ", "),
                        fmt::join(attributes, ", "), node.name);
  }
  for (const ValueId id : graph.outputs) text += fmt::format("  output {}\n", value_text(graph, id));
  return text;
}

std::string describe(const Node& node) {
  return fmt::format("node '{}' ({}{}{})", node.name, node.domain, node.domain.empty() ? "" : ".", node.op_type);
}

}  // namespace ns::graph
