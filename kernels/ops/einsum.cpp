// Einsum: sums of products over the labels of an equation, as numpy.einsum.
//
// Each input is first brought to plain labels (a diagonal where a label repeats, a sum where nobody else needs it);
// then the inputs are joined from left to right, each time as a batch of matrix products:
//
//   left [batch, m, k]  x  right [batch, k, n]  ->  [batch, m, n]
//
// batch: labels of both that are needed later; k: labels of both that are not; m, n: labels of one side.
#include <algorithm>
#include <array>
#include <map>

#include "kernels/ops/broadcast.h"
#include "kernels/ops/dispatch.h"

namespace ns::ops {

namespace {

// A letter, or kEllipsis + i for the axis that an ellipsis covers, i counted from the last one.
using Label = int;
using Labels = std::vector<Label>;
constexpr Label kEllipsis = 256;
constexpr int kManyInputs = 1 << 10;

bool holds(const Labels& labels, Label label) { return std::find(labels.begin(), labels.end(), label) != labels.end(); }

struct Equation {
  std::vector<Labels> inputs;
  Labels output;
  std::map<Label, std::int64_t> sizes;
};

Shape sizes_of(const Equation& equation, const Labels& labels) {
  Shape shape;
  for (const Label label : labels) shape.push_back(equation.sizes.at(label));
  return shape;
}

// `covered`: how many axes an ellipsis stands for.
Labels parse_term(const Node& node, const std::string& term, std::size_t covered) {
  Labels labels;
  bool ellipsis = false;
  for (std::size_t i = 0; i < term.size(); ++i) {
    if (term.compare(i, 3, "...") == 0) {
      require(!ellipsis, node, "the term '{}' has two ellipses", term);
      ellipsis = true;
      for (std::size_t k = covered; k-- > 0;) labels.push_back(kEllipsis + static_cast<Label>(k));
      i += 2;
      continue;
    }
    const char c = term[i];
    require((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), node, "the term '{}' holds something else than letters",
            term);
    labels.push_back(c);
  }
  return labels;
}

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (const char c : text) {
    if (c == ',') {
      terms.emplace_back();
    } else {
      terms.back() += c;
    }
  }
  return terms;
}

// Without an arrow: what an ellipsis covers, then the letters that occur once, in alphabetical order.
Labels implied_output(const Equation& equation, std::size_t covered) {
  std::map<Label, int> uses;
  for (const Labels& labels : equation.inputs) {
    for (const Label label : labels) ++uses[label];
  }
  Labels output;
  for (std::size_t k = covered; k-- > 0;) output.push_back(kEllipsis + static_cast<Label>(k));
  for (const auto& [label, count] : uses) {
    if (label < kEllipsis && count == 1) output.push_back(label);
  }
  return output;
}

void set_sizes(const Node& node, Equation& equation, const std::vector<Shape>& shapes) {
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Labels& labels = equation.inputs[i];
    require(labels.size() == shapes[i].size(), node, "term {} has {} labels, the input {} axes", i, labels.size(),
            shapes[i].size());
    for (std::size_t axis = 0; axis < labels.size(); ++axis) {
      std::int64_t& size = equation.sizes.emplace(labels[axis], 1).first->second;
      require(size == 1 || shapes[i][axis] == 1 || size == shapes[i][axis], node,
              "an axis of term {} has the size {}, elsewhere {}", i, shapes[i][axis], size);
      if (size == 1) size = shapes[i][axis];
    }
  }
}

Equation equation_of(const Node& node, const std::vector<Shape>& shapes) {
  std::string text = node.text("equation", "");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const std::size_t arrow = text.find("->");
  const std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  require(terms.size() == shapes.size(), node, "the equation '{}' has {} terms for {} inputs", text, terms.size(),
          shapes.size());
  std::size_t covered = 0;
  Equation equation;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const bool ellipsis = terms[i].find("...") != std::string::npos;
    const std::size_t letters = terms[i].size() - (ellipsis ? 3 : 0);
    require(letters <= shapes[i].size(), node, "term {} has {} labels, the input {} axes", i, letters,
            shapes[i].size());
    const std::size_t own = ellipsis ? shapes[i].size() - letters : 0;
    covered = std::max(covered, own);
    equation.inputs.push_back(parse_term(node, terms[i], own));
  }
  equation.output = arrow == std::string::npos ? implied_output(equation, covered)
                                               : parse_term(node, text.substr(arrow + 2), covered);
  set_sizes(node, equation, shapes);
  for (std::size_t i = 0; i < equation.output.size(); ++i) {
    const Label label = equation.output[i];
    require(equation.sizes.count(label) > 0, node, "the output has a label that no input has");
    require(std::count(equation.output.begin(), equation.output.end(), label) == 1, node,
            "the output has a label twice");
  }
  return equation;
}

// Numbers with a label for each axis, dense in the order of the labels.
template <typename A>
struct Term {
  Labels labels;
  std::vector<A> values;
};

std::size_t checked_count(const Node& node, const Shape& shape, std::size_t element) {
  const std::int64_t count = graph::element_count(shape);
  require(count <= graph::kMaxTensorBytes / static_cast<std::int64_t>(element), node,
          "a product of shape {} is too large", graph::to_string(shape));
  return static_cast<std::size_t>(count);
}

// Sums over every label that is not wanted; strides are those of the labels in the values.
template <typename A, typename T>
Term<A> arrange(const Node& node, const Equation& equation, const std::map<Label, std::int64_t>& strides,
                const T* values, const Labels& wanted) {
  Term<A> term{wanted, {}};
  term.values.assign(checked_count(node, sizes_of(equation, wanted), sizeof(A)), A(0));
  Labels order = wanted;
  for (const auto& [label, stride] : strides) {
    if (!holds(wanted, label)) order.push_back(label);
  }
  std::vector<std::int64_t> from;
  std::vector<std::int64_t> to = dense_strides(sizes_of(equation, wanted));
  for (const Label label : order) from.push_back(strides.at(label));
  to.resize(order.size(), 0);
  const RowLoop<2> loop(sizes_of(equation, order), {from, to});
  loop.run([&](std::int64_t length, const auto& offsets, const auto& steps) {
    const T* x = values + offsets[0];
    A* y = term.values.data() + offsets[1];
    for (std::int64_t i = 0; i < length; ++i) {
      y[i * steps[1]] = add(y[i * steps[1]], static_cast<A>(x[i * steps[0]]));
    }
  });
  return term;
}

template <typename A>
Term<A> arrange(const Node& node, const Equation& equation, const Term<A>& term, const Labels& wanted) {
  if (term.labels == wanted) return term;
  const std::vector<std::int64_t> dense = dense_strides(sizes_of(equation, term.labels));
  std::map<Label, std::int64_t> strides;
  for (std::size_t i = 0; i < dense.size(); ++i) strides[term.labels[i]] = dense[i];
  return arrange<A>(node, equation, strides, term.values.data(), wanted);
}

// An axis of size 1 that is repeated along its label loses the label; repeated labels become a diagonal.
template <typename A, typename T>
Term<A> load(const Node& node, const Equation& equation, std::size_t index, const Tensor& tensor,
             const Labels& needed) {
  const std::vector<std::int64_t> dense = dense_strides(tensor.shape());
  std::map<Label, std::int64_t> strides;
  Labels kept;
  for (std::size_t axis = 0; axis < dense.size(); ++axis) {
    const Label label = equation.inputs[index][axis];
    if (tensor.shape()[axis] != equation.sizes.at(label)) continue;
    strides[label] += dense[axis];
    if (holds(needed, label) && !holds(kept, label)) kept.push_back(label);
  }
  return arrange<A>(node, equation, strides, data<T>(tensor), kept);
}

// Labels of the output and of the inputs from `first` on, without input `except`.
Labels needed_labels(const Equation& equation, std::size_t first, std::size_t except) {
  Labels needed = equation.output;
  for (std::size_t i = first; i < equation.inputs.size(); ++i) {
    if (i != except) needed.insert(needed.end(), equation.inputs[i].begin(), equation.inputs[i].end());
  }
  return needed;
}

Labels joined(std::initializer_list<const Labels*> parts) {
  Labels all;
  for (const Labels* part : parts) all.insert(all.end(), part->begin(), part->end());
  return all;
}

template <typename A>
Term<A> contract(const Node& node, const Equation& equation, const Term<A>& left, const Term<A>& right,
                 const Labels& needed) {
  Labels batch, m, k, n;
  for (const Label label : left.labels) {
    Labels& group = !holds(right.labels, label) ? m : (holds(needed, label) ? batch : k);
    group.push_back(label);
  }
  for (const Label label : right.labels) {
    if (!holds(left.labels, label)) n.push_back(label);
  }
  const Term<A> a = arrange(node, equation, left, joined({&batch, &m, &k}));
  const Term<A> b = arrange(node, equation, right, joined({&batch, &k, &n}));
  const auto count = [&](const Labels& labels) { return graph::element_count(sizes_of(equation, labels)); };
  const std::int64_t rows = count(m);
  const std::int64_t depth = count(k);
  const std::int64_t columns = count(n);
  Term<A> y{joined({&batch, &m, &n}), {}};
  y.values.assign(checked_count(node, sizes_of(equation, y.labels), sizeof(A)), A(0));
  if (y.values.empty()) return y;
  for (std::int64_t row = 0; row < count(batch) * rows; ++row) {
    A* to = y.values.data() + row * columns;
    for (std::int64_t i = 0; i < depth; ++i) {
      const A factor = a.values[static_cast<std::size_t>(row * depth + i)];
      const A* from = b.values.data() + (row / rows * depth + i) * columns;
      for (std::int64_t j = 0; j < columns; ++j) to[j] = add(to[j], multiply(factor, from[j]));
    }
  }
  return y;
}

std::vector<TensorType> infer_einsum(const InferContext& context) {
  const TensorType& first = input(context, 0);
  require_type(NumericTypes{}, context.node, first.element);
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < context.inputs.size(); ++i) {
    require(input(context, i).element == first.element, context.node, "input {} holds {}, the first {}", i,
            graph::name_of(input(context, i).element), graph::name_of(first.element));
    shapes.push_back(input(context, i).shape);
  }
  const Equation equation = equation_of(context.node, shapes);
  return types(context, {{first.element, sizes_of(equation, equation.output)}});
}

void compute_einsum(const ComputeContext& context) {
  const Node& node = context.node;
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < context.inputs.size(); ++i) shapes.push_back(input(context, i).shape());
  const Equation equation = equation_of(node, shapes);
  dispatch(NumericTypes{}, node, input(context, 0).type(), [&](auto tag) {
    using T = decltype(tag);
    using A = Accumulator<T>;
    Term<A> all = load<A, T>(node, equation, 0, input(context, 0), needed_labels(equation, 0, 0));
    for (std::size_t i = 1; i < shapes.size(); ++i) {
      const Term<A> next = load<A, T>(node, equation, i, input(context, i), needed_labels(equation, 0, i));
      all = contract(node, equation, all, next, needed_labels(equation, i + 1, i));
    }
    all = arrange(node, equation, all, equation.output);
    for (std::size_t i = 0; i < all.values.size(); ++i) {
      data<T>(context.outputs[0])[i] = static_cast<T>(all.values[i]);
    }
  });
}

constexpr std::array kDefinitions{
    OpDefinition{"", "Einsum", 12, 1, kManyInputs, 1, 1, infer_einsum, compute_einsum},
};

}  // namespace

std::span<const OpDefinition> einsum_definitions() { return kDefinitions; }

}  // namespace ns::ops
