#include "worker/commands/model.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <random>

#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"

namespace ns::worker {
namespace {

using graph::ElementType;
using graph::Tensor;

struct Assignment {
  std::string name, value;
};

// "name=value"; names of ONNX values may hold '=' and ':', so the last '=' counts.
Assignment parse_assignment(const std::string& option, const std::string& text, const std::string& example) {
  const std::size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    throw Error(ErrorCode::invalid, fmt::format("{} \"{}\": it must be like {}", option, text, example), option);
  }
  return {text.substr(0, equals), text.substr(equals + 1)};
}

template <typename Number>
std::vector<Number> parse_numbers(const std::string& option, const Assignment& given, char separator) {
  std::vector<Number> numbers;
  const char* at = given.value.data();
  const char* const end = at + given.value.size();
  while (true) {
    Number number{};
    const auto [next, failure] = std::from_chars(at, end, number);
    if (failure != std::errc{} || (next != end && *next != separator)) {
      throw Error(ErrorCode::invalid,
                  fmt::format("{} \"{}={}\": '{}' must be numbers with '{}' between them", option, given.name,
                              given.value, given.value, separator),
                  option);
    }
    numbers.push_back(number);
    if (next == end) return numbers;
    at = next + 1;
  }
}

const graph::Value& input_named(const graph::Graph& graph, const std::string& name, const std::string& option) {
  std::string names;
  for (const graph::ValueId id : graph.inputs) {
    if (graph.value(id).name == name) return graph.value(id);
    names += (names.empty() ? "" : ", ") + graph.value(id).name;
  }
  throw Error(ErrorCode::invalid,
              fmt::format("{}: the model has no input '{}'; its inputs are: {}", option, name, names), option);
}

void check_shape(const graph::Value& input, const graph::Shape& shape) {
  bool fits = !input.shape || input.shape->size() == shape.size();
  for (std::size_t axis = 0; fits && input.shape && axis < shape.size(); ++axis) {
    const graph::Dimension& declared = (*input.shape)[axis];
    fits = shape[axis] >= 0 && (!declared.known() || declared.size == shape[axis]);
  }
  if (!fits) {
    throw Error(ErrorCode::invalid,
                fmt::format("--shape {}: {} does not fit what the model declares, {}", input.name,
                            graph::to_string(shape), declared_shape(input)),
                "--shape");
  }
}

graph::Shape declared_sizes(const graph::Value& input, std::int64_t batch) {
  graph::Shape shape;
  const std::size_t rank = input.shape ? input.shape->size() : 0;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    const graph::Dimension& dimension = (*input.shape)[axis];
    shape.push_back(dimension.known() ? dimension.size : axis == 0 ? batch : -1);
  }
  if (!input.shape || std::find(shape.begin(), shape.end(), -1) != shape.end()) {
    throw Error(ErrorCode::invalid,
                fmt::format("input '{}' is {}: say its shape, as in --shape {}=1x3x224x224", input.name,
                            declared_shape(input), input.name),
                "--shape");
  }
  return shape;
}

}  // namespace

std::shared_ptr<const graph::Graph> load_model(const std::string& path) {
  graph::Graph graph = onnx::read_file(path);
  passes::simplify(graph);
  return std::make_shared<const graph::Graph>(std::move(graph));
}

std::string declared_shape(const graph::Value& value) {
  if (!value.shape) return "of any rank";
  std::string text;
  for (const graph::Dimension& dimension : *value.shape) {
    text += text.empty() ? "" : ", ";
    text += dimension.known() ? std::to_string(dimension.size) : dimension.name.empty() ? "?" : dimension.name;
  }
  return "[" + text + "]";
}

void add_shape_option(CLI::App& app, std::vector<std::string>& given) {
  app.add_option("--shape", given,
                 "Sizes of an input whose axes are open, NAME=1x3x224x224; may be repeated. An open first axis is the "
                 "batch")
      ->allow_extra_args(false);
}

Shapes parse_shapes(const std::vector<std::string>& given, const graph::Graph& graph) {
  Shapes shapes;
  for (const std::string& text : given) {
    const Assignment assignment = parse_assignment("--shape", text, "NAME=1x3x224x224");
    const graph::Shape shape = parse_numbers<std::int64_t>("--shape", assignment, 'x');
    check_shape(input_named(graph, assignment.name, "--shape"), shape);
    shapes[assignment.name] = shape;
  }
  return shapes;
}

std::vector<ops::TensorType> input_types(const graph::Graph& graph, const Shapes& shapes, std::int64_t batch) {
  std::vector<ops::TensorType> types;
  for (const graph::ValueId id : graph.inputs) {
    const graph::Value& input = graph.value(id);
    const auto given = shapes.find(input.name);
    types.push_back({input.type, given != shapes.end() ? given->second : declared_sizes(input, batch)});
  }
  return types;
}

std::vector<Tensor> made_up_inputs(const std::vector<ops::TensorType>& types) {
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> between(-1, 1);
  std::vector<Tensor> inputs;
  for (const ops::TensorType& type : types) {
    Tensor tensor(type.element, type.shape);
    std::fill_n(static_cast<std::byte*>(tensor.bytes()), tensor.byte_count(), std::byte{0});
    if (type.element == ElementType::float32) {
      for (float& one : tensor.values<float>()) one = between(random);
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

CLI::Option* add_data_options(CLI::App& app, DataOptions& data) {
  auto* option = app.add_option(
      "--data", data.path, "An .npz with an array for each input of the model, named like it; first axis = samples");
  app.add_option("--mean", data.mean, "Of an input stored raw, NAME=123.7,116.3,103.5 (a number a channel, or one)")
      ->allow_extra_args(false);
  app.add_option("--std", data.std, "Likewise: the input is (stored - mean) / std")->allow_extra_args(false);
  app.add_option("--constant", data.constants, "An input that is the same for each sample, NAME=16000")
      ->allow_extra_args(false);
  return option;
}

data::DataSet load_data(const DataOptions& data, const graph::Graph& graph) {
  data::DataSetOptions options;
  options.labels = data.labels;
  for (const std::string& text : data.mean) {
    const Assignment given = parse_assignment("--mean", text, "NAME=123.7,116.3,103.5");
    options.inputs[input_named(graph, given.name, "--mean").name].mean = parse_numbers<float>("--mean", given, ',');
  }
  for (const std::string& text : data.std) {
    const Assignment given = parse_assignment("--std", text, "NAME=58.4,57.1,57.4");
    options.inputs[input_named(graph, given.name, "--std").name].std = parse_numbers<float>("--std", given, ',');
  }
  for (const std::string& text : data.constants) {
    const Assignment given = parse_assignment("--constant", text, "NAME=16000");
    options.constants[input_named(graph, given.name, "--constant").name] =
        parse_numbers<double>("--constant", given, ',').front();
  }
  return data::DataSet::load(data.path, graph, options);
}

void print_json(const nlohmann::json& json) {
  // Names come from the model and may be no UTF-8.
  fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

std::string amount_text(double amount) {
  constexpr std::array<const char*, 5> kUnits{"", " k", " M", " G", " T"};
  std::size_t unit = 0;
  for (; amount >= 1000 && unit + 1 < kUnits.size(); ++unit) amount /= 1000;
  return fmt::format("{:.{}f}{}", amount, unit == 0 ? 0 : 2, kUnits[unit]);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 4> kUnits{"bytes", "KiB", "MiB", "GiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  return fmt::format("{:.{}f} {}", amount, unit == 0 ? 0 : 1, kUnits[unit]);
}

}  // namespace ns::worker
