#include "kernels/ops/recurrent.h"

#include <array>
#include <cctype>
#include <cmath>

namespace ns::ops {

namespace {

struct ActivationName {
  std::string_view name;
  ActivationKind kind;
  bool has_alpha, has_beta;
  float alpha, beta;  // defaults: those of the operator of that name
};

constexpr std::array kActivations{
    ActivationName{"relu", ActivationKind::relu, false, false, 0, 0},
    ActivationName{"tanh", ActivationKind::tanh, false, false, 0, 0},
    ActivationName{"sigmoid", ActivationKind::sigmoid, false, false, 0, 0},
    ActivationName{"affine", ActivationKind::affine, true, true, 1, 0},
    ActivationName{"leakyrelu", ActivationKind::leaky_relu, true, false, 0.01f, 0},
    ActivationName{"thresholdedrelu", ActivationKind::thresholded_relu, true, false, 1, 0},
    ActivationName{"scaledtanh", ActivationKind::scaled_tanh, true, true, 1, 1},
    ActivationName{"hardsigmoid", ActivationKind::hard_sigmoid, true, true, 0.2f, 0.5f},
    ActivationName{"elu", ActivationKind::elu, true, false, 1, 0},
    ActivationName{"softsign", ActivationKind::softsign, false, false, 0, 0},
    ActivationName{"softplus", ActivationKind::softplus, false, false, 0, 0},
};

const ActivationName& named(const Node& node, std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  for (const ActivationName& known : kActivations) {
    if (known.name == name) return known;
  }
  fail(node, "the activation '" + name + "' is not known");
}

std::vector<std::string> texts_of(const Node& node, std::string_view attribute) {
  const auto found = node.attributes.find(attribute);
  if (found == node.attributes.end()) return {};
  // An empty list has no type of its own in a file.
  if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&found->second); integers != nullptr) {
    if (integers->empty()) return {};
  }
  const auto* texts = std::get_if<std::vector<std::string>>(&found->second);
  require(texts != nullptr, node, "the attribute {} must be a list of texts", attribute);
  return *texts;
}

// alpha and beta are used up in the order of the activations that have one.
std::vector<Activation> read_activations(const Node& node, std::int64_t directions,
                                         const std::vector<ActivationKind>& defaults) {
  std::vector<Activation> activations;
  const std::vector<std::string> names = texts_of(node, "activations");
  if (names.empty()) {
    for (std::int64_t d = 0; d < directions; ++d) {
      for (const ActivationKind kind : defaults) activations.push_back({kind, 0, 0});
    }
    return activations;
  }
  const std::size_t wanted = defaults.size() * static_cast<std::size_t>(directions);
  require(names.size() == wanted, node, "there are {} activations, wanted {}", names.size(), wanted);
  const std::vector<float> alphas = node.reals("activation_alpha");
  const std::vector<float> betas = node.reals("activation_beta");
  std::size_t next_alpha = 0;
  std::size_t next_beta = 0;
  for (const std::string& name : names) {
    const ActivationName& known = named(node, name);
    Activation activation{known.kind, known.alpha, known.beta};
    if (known.has_alpha && next_alpha < alphas.size()) activation.alpha = alphas[next_alpha++];
    if (known.has_beta && next_beta < betas.size()) activation.beta = betas[next_beta++];
    activations.push_back(activation);
  }
  return activations;
}

template <typename A, typename Function>
void for_each(A* values, std::int64_t count, const Function& function) {
  for (std::int64_t i = 0; i < count; ++i) values[i] = function(values[i]);
}

void check_input(const InferContext& context, std::size_t index, ElementType type, const Shape& shape) {
  const TensorType* given = optional_input(context, index);
  if (given == nullptr) return;
  require(given->element == type && given->shape == shape, context.node, "input {} is {} {}, wanted {} {}", index,
          graph::name_of(given->element), graph::to_string(given->shape), graph::name_of(type),
          graph::to_string(shape));
}

}  // namespace

template <typename A>
void Activation::apply(A* values, std::int64_t count) const {
  const A a = static_cast<A>(alpha);
  const A b = static_cast<A>(beta);
  const A zero = 0;
  const A one = 1;
  switch (kind) {
    case ActivationKind::relu:
      return for_each(values, count, [=](A x) { return std::max(x, zero); });
    case ActivationKind::tanh:
      return for_each(values, count, [](A x) { return std::tanh(x); });
    case ActivationKind::sigmoid:
      return for_each(values, count, [=](A x) { return one / (one + std::exp(-x)); });
    case ActivationKind::affine:
      return for_each(values, count, [=](A x) { return a * x + b; });
    case ActivationKind::leaky_relu:
      return for_each(values, count, [=](A x) { return x >= zero ? x : a * x; });
    case ActivationKind::thresholded_relu:
      return for_each(values, count, [=](A x) { return x > a ? x : zero; });
    case ActivationKind::scaled_tanh:
      return for_each(values, count, [=](A x) { return a * std::tanh(b * x); });
    case ActivationKind::hard_sigmoid:
      return for_each(values, count, [=](A x) { return std::min(one, std::max(zero, a * x + b)); });
    case ActivationKind::elu:
      return for_each(values, count, [=](A x) { return x >= zero ? x : a * std::expm1(x); });
    case ActivationKind::softsign:
      return for_each(values, count, [=](A x) { return x / (one + std::abs(x)); });
    case ActivationKind::softplus:
      return for_each(values, count, [=](A x) { return std::max(x, zero) + std::log1p(std::exp(-std::abs(x))); });
  }
}

template void Activation::apply(float*, std::int64_t) const;
template void Activation::apply(double*, std::int64_t) const;

RecurrentSettings recurrent_settings(const Node& node, const Shape& x, const Shape& w, std::int64_t gates,
                                     const std::vector<ActivationKind>& defaults) {
  require(x.size() == 3 && w.size() == 3, node, "X and W have the shapes {} and {}, wanted three axes each",
          graph::to_string(x), graph::to_string(w));
  const std::string direction = node.text("direction", "forward");
  require(direction == "forward" || direction == "reverse" || direction == "bidirectional", node,
          "direction is '{}', wanted forward, reverse or bidirectional", direction);
  RecurrentSettings settings{};
  settings.batch_first = node.integer("layout", 0) != 0;
  settings.seq = x[settings.batch_first ? 1 : 0];
  settings.batch = x[settings.batch_first ? 0 : 1];
  settings.input = x[2];
  settings.directions = direction == "bidirectional" ? 2 : 1;
  settings.first_reversed = direction == "reverse";
  settings.hidden = w[1] / gates;
  settings.clip = node.real("clip", 0.0f);
  settings.activations = read_activations(node, settings.directions, defaults);
  require(w == Shape({settings.directions, gates * settings.hidden, settings.input}), node,
          "W has the shape {}, wanted [{}, {} * hidden_size, {}]", graph::to_string(w), settings.directions, gates,
          settings.input);
  const std::int64_t declared = node.integer("hidden_size", settings.hidden);
  require(declared == settings.hidden, node, "hidden_size is {}, W says {}", declared, settings.hidden);
  return settings;
}

std::vector<TensorType> infer_recurrent(const InferContext& context, std::int64_t gates, std::size_t states,
                                        const std::vector<ActivationKind>& defaults) {
  const TensorType& x = input(context, 0);
  require_type(FloatTypes{}, context.node, x.element);
  const RecurrentSettings settings =
      recurrent_settings(context.node, x.shape, input(context, 1).shape, gates, defaults);
  const std::int64_t rows = gates * settings.hidden;
  const Shape state = settings.batch_first ? Shape{settings.batch, settings.directions, settings.hidden}
                                           : Shape{settings.directions, settings.batch, settings.hidden};
  input(context, 2);  // must be there
  check_input(context, 1, x.element, input(context, 1).shape);
  check_input(context, 2, x.element, {settings.directions, rows, settings.hidden});
  check_input(context, 3, x.element, {settings.directions, 2 * rows});
  check_input(context, 4, ElementType::int32, {settings.batch});
  check_input(context, 5, x.element, state);
  check_input(context, 6, x.element, state);
  check_input(context, 7, x.element, {settings.directions, 3 * settings.hidden});
  const Shape y = settings.batch_first ? Shape{settings.batch, settings.seq, settings.directions, settings.hidden}
                                       : Shape{settings.seq, settings.directions, settings.batch, settings.hidden};
  std::vector<TensorType> made{{x.element, y}};
  made.resize(1 + states, {x.element, state});
  return types(context, made);
}

}  // namespace ns::ops
