#include "kernels/data/dataset.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/data/convert.h"

namespace ns::data {
namespace {

using graph::ElementType;
using graph::Tensor;

[[noreturn]] void fail(const std::string& what, std::string field = {}) {
  throw Error(ErrorCode::invalid, what, std::move(field));
}

// "[N, 3, 32, 32]": what the model declares.
std::string declared_shape(const graph::Value& input) {
  if (!input.shape) return "of any rank";
  std::string text = "[";
  for (const graph::Dimension& dimension : *input.shape) {
    if (text.size() > 1) text += ", ";
    text += dimension.known() ? std::to_string(dimension.size) : dimension.name.empty() ? "?" : dimension.name;
  }
  return text + "]";
}

// How one model input gets its values.
struct Feed {
  std::string input;
  ElementType type = ElementType::undefined;
  Tensor stored;              // all samples; undefined for a constant
  bool whole = false;         // a stored sample is a whole input, its batch axis included
  graph::Shape sample_shape;  // of one sample as it is fed, without the batch axis
  std::int64_t channels = 1;  // of the fed batch, axis 1
  std::int64_t plane = 1;     // elements of one channel of one sample
  std::vector<float> mean, std;
  double constant = 0;
  graph::Shape constant_shape;  // -1: the count of samples
};

std::int64_t product(std::span<const std::int64_t> shape) {
  std::int64_t total = 1;
  for (const std::int64_t size : shape) total *= size;
  return total;
}

[[noreturn]] void shape_mismatch(const graph::Value& input, const Tensor& array, std::string_view wanted) {
  fail(fmt::format("array '{}' has shape {}, but the model's input '{}' is {}: {}", input.name,
                   graph::to_string(array.shape()), input.name, declared_shape(input), wanted),
       input.name);
}

// Fixed dimensions must be met: `array_axis` is the array's axis that meets the input's axis `input_axis`.
void check_dimensions(const graph::Value& input, const Tensor& array, std::size_t input_axis, std::size_t array_axis) {
  for (; input_axis < input.shape->size(); ++input_axis, ++array_axis) {
    const graph::Dimension& wanted = (*input.shape)[input_axis];
    if (!wanted.known() || wanted.size == array.shape()[array_axis]) continue;
    shape_mismatch(input, array, fmt::format("axis {} of the array must be {}", array_axis, wanted.size));
  }
}

bool holds_whole_inputs(const graph::Value& input, const Tensor& array) {
  const std::size_t rank = array.shape().size();
  if (rank == 0) shape_mismatch(input, array, "its first axis must be the samples");
  if (!input.shape) return false;
  const std::size_t wanted = input.shape->size();
  if (rank == wanted + 1) {
    check_dimensions(input, array, 0, 1);
    return true;
  }
  if (rank != wanted) {
    shape_mismatch(input, array,
                   fmt::format("it must have {} axes (the first is the samples) or {} (each sample a "
                               "whole input)",
                               wanted, wanted + 1));
  }
  check_dimensions(input, array, 1, 1);
  const graph::Dimension& batch = input.shape->front();
  if (batch.known() && batch.size != 1) {
    shape_mismatch(input, array,
                   fmt::format("the model's batch is fixed at {}, so each sample must be a whole input "
                               "with an axis more",
                               batch.size));
  }
  return false;
}

Feed feed_from_array(const graph::Value& input, const Tensor& array) {
  Feed feed;
  feed.input = input.name;
  feed.type = input.type;
  feed.stored = array;
  feed.whole = holds_whole_inputs(input, array);
  const std::span<const std::int64_t> shape(array.shape());
  const std::ptrdiff_t leading = feed.whole && shape.size() > 1 ? 2 : 1;
  feed.sample_shape.assign(shape.begin() + leading, shape.end());
  if (array.count() == 0)
    fail(fmt::format("array '{}' has shape {}: it holds no samples", input.name, graph::to_string(array.shape())),
         input.name);
  feed.channels = feed.sample_shape.empty() ? 1 : feed.sample_shape.front();
  feed.plane = feed.sample_shape.empty() ? 1 : product(std::span(feed.sample_shape).subspan(1));
  if (const char* reason = why_not_convertible(array, input.type)) {
    fail(fmt::format("array '{}' holds {}, but the model's input wants {}: {}", input.name,
                     graph::name_of(array.type()), graph::name_of(input.type), reason),
         input.name);
  }
  return feed;
}

bool is_floating(ElementType type) {
  return type == ElementType::float32 || type == ElementType::float64 || type == ElementType::float16;
}

std::vector<float> per_channel(const Feed& feed, std::string_view name, const std::vector<float>& given,
                               float neutral) {
  const auto channels = static_cast<std::size_t>(feed.channels);
  if (given.empty()) return std::vector<float>(channels, neutral);
  if (given.size() == 1) return std::vector<float>(channels, given.front());
  if (given.size() == channels) return given;
  fail(fmt::format("{} of input '{}' has {} entries; it needs 1 or one a channel ({})", name, feed.input, given.size(),
                   channels),
       fmt::format("data.inputs.{}.{}", feed.input, name));
}

void set_normalization(Feed& feed, const Normalization& normalization) {
  if (normalization.mean.empty() && normalization.std.empty()) return;
  const std::string field = fmt::format("data.inputs.{}", feed.input);
  if (!is_floating(feed.type)) {
    fail(fmt::format("mean and std are for floating-point inputs, but '{}' is {}", feed.input,
                     graph::name_of(feed.type)),
         field);
  }
  feed.mean = per_channel(feed, "mean", normalization.mean, 0.0f);
  feed.std = per_channel(feed, "std", normalization.std, 1.0f);
  const bool finite = std::all_of(feed.mean.begin(), feed.mean.end(), [](float value) { return std::isfinite(value); });
  const bool divides =
      std::all_of(feed.std.begin(), feed.std.end(), [](float value) { return std::isnormal(value) && value > 0; });
  if (!finite) fail(fmt::format("mean of input '{}' must be finite numbers", feed.input), field + ".mean");
  if (!divides) fail(fmt::format("std of input '{}' must be finite numbers above 0", feed.input), field + ".std");
}

void check_constant(const graph::Value& input, double value) {
  const std::string field = fmt::format("data.inputs.{}.constant", input.name);
  const auto refuse = [&](std::string_view range) {
    fail(fmt::format("constant {} does not fit input '{}', which is {} ({})", value, input.name,
                     graph::name_of(input.type), range),
         field);
  };
  if (!std::isfinite(value)) refuse("it must be a finite number");
  if (is_floating(input.type)) return;
  if (value != std::floor(value)) refuse("a whole number");
  if (input.type == ElementType::boolean && value != 0 && value != 1) refuse("0 or 1");
  // Judged as int64; beyond 2^53 a double does not hold every whole number anyway.
  if (std::abs(value) > 0x1p53) refuse("at most 2^53");
  if (why_not_convertible(Tensor::scalar(static_cast<std::int64_t>(value)), input.type) != nullptr) {
    refuse("its values are in a smaller range");
  }
}

Feed feed_from_constant(const graph::Value& input, double value) {
  check_constant(input, value);
  Feed feed;
  feed.input = input.name;
  feed.type = input.type;
  feed.constant = value;
  if (!input.shape) return feed;
  for (std::size_t axis = 0; axis < input.shape->size(); ++axis) {
    const graph::Dimension& dimension = (*input.shape)[axis];
    if (!dimension.known() && axis > 0) {
      fail(fmt::format("input '{}' {} cannot be a constant: its axis {} has no fixed size", input.name,
                       declared_shape(input), axis),
           fmt::format("data.inputs.{}.constant", input.name));
    }
    feed.constant_shape.push_back(dimension.known() ? dimension.size : -1);
  }
  return feed;
}

template <typename T>
std::vector<std::int64_t> as_int64(const Tensor& array) {
  const std::span<const T> values = array.values<T>();
  return {values.begin(), values.end()};
}

std::vector<std::int64_t> read_labels(const std::string& name, const Tensor& array) {
  const graph::Shape& shape = array.shape();
  if (shape.empty() || product(std::span(shape).subspan(1)) != 1) {
    fail(fmt::format("labels '{}' have shape {}; they must be one number a sample", name, graph::to_string(shape)),
         "data.evaluation.labels");
  }
  switch (array.type()) {
    case ElementType::uint8:
      return as_int64<std::uint8_t>(array);
    case ElementType::int8:
      return as_int64<std::int8_t>(array);
    case ElementType::uint16:
      return as_int64<std::uint16_t>(array);
    case ElementType::int16:
      return as_int64<std::int16_t>(array);
    case ElementType::uint32:
      return as_int64<std::uint32_t>(array);
    case ElementType::int32:
      return as_int64<std::int32_t>(array);
    case ElementType::int64:
      return as_int64<std::int64_t>(array);
    case ElementType::uint64:
      // Too large ones become negative, and the metrics refuse those.
      return as_int64<std::uint64_t>(array);
    default:
      fail(fmt::format("labels '{}' are {}; they must be integers", name, graph::name_of(array.type())),
           "data.evaluation.labels");
  }
}

std::string names_of(const std::map<std::string, Tensor>& arrays) {
  std::string names;
  for (const auto& [name, array] : arrays) {
    if (names.size() > 400) return names + ", …";
    names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

void refuse_unknown_inputs(const graph::Graph& model, const DataSetOptions& options) {
  const auto check = [&](const std::string& name) {
    const bool known = std::any_of(model.inputs.begin(), model.inputs.end(),
                                   [&](graph::ValueId id) { return model.value(id).name == name; });
    if (known) return;
    std::string inputs;
    for (const graph::ValueId id : model.inputs) inputs += (inputs.empty() ? "" : ", ") + model.value(id).name;
    fail(fmt::format("'{}' is not an input of the model, which has: {}", name, inputs), "data.inputs." + name);
  };
  for (const auto& [name, normalization] : options.inputs) check(name);
  for (const auto& [name, constant] : options.constants) check(name);
}

}  // namespace

struct DataSet::State {
  std::vector<Feed> feeds;  // in the order of the model's inputs
  std::optional<std::vector<std::int64_t>> labels;
  std::int64_t first = 0, count = 0;  // the samples of this slice
  std::int64_t max_batch = std::numeric_limits<std::int64_t>::max();

  void check_range(std::int64_t begin, std::int64_t length) const {
    if (begin >= 0 && length >= 0 && begin <= count && length <= count - begin) return;
    throw Error(ErrorCode::internal,
                fmt::format("samples [{}, {} + {}) of a data set of {}", begin, begin, length, count));
  }
};

DataSet DataSet::load(const std::filesystem::path& path, const graph::Graph& model, const DataSetOptions& options) {
  refuse_unknown_inputs(model, options);
  std::map<std::string, Tensor> arrays = read_npz(path, options.max_bytes);
  // One .npy is the only input of a model that has one.
  if (arrays.size() == 1 && arrays.begin()->first == "array" && model.inputs.size() == 1 && options.labels.empty()) {
    arrays.emplace(model.value(model.inputs.front()).name, arrays.begin()->second);
  }
  auto state = std::make_shared<State>();
  std::string counted;  // the array that said how many samples there are
  const auto count_samples = [&](const std::string& name, std::int64_t samples) {
    if (counted.empty()) {
      counted = name;
      state->count = samples;
    } else if (samples != state->count) {
      fail(fmt::format("array '{}' has {} samples, but '{}' has {}", name, samples, counted, state->count), name);
    }
  };
  for (const graph::ValueId id : model.inputs) {
    const graph::Value& input = model.value(id);
    const auto array = arrays.find(input.name);
    const auto constant = options.constants.find(input.name);
    if (array == arrays.end() && constant == options.constants.end()) {
      fail(fmt::format("{} has no array '{}' for the model's input {} (arrays: {})", path.filename().string(),
                       input.name, declared_shape(input), names_of(arrays)),
           input.name);
    }
    if (constant != options.constants.end()) {
      state->feeds.push_back(feed_from_constant(input, constant->second));
      continue;
    }
    Feed feed = feed_from_array(input, array->second);
    if (const auto found = options.inputs.find(input.name); found != options.inputs.end()) {
      set_normalization(feed, found->second);
    }
    count_samples(input.name, array->second.shape().front());
    const bool single = input.shape && !input.shape->empty() && input.shape->front().known();
    if (feed.whole || single) state->max_batch = 1;
    state->feeds.push_back(std::move(feed));
  }
  if (counted.empty()) fail("no input of the model takes an array, so there are no samples");
  if (!options.labels.empty()) {
    const auto array = arrays.find(options.labels);
    if (array == arrays.end()) {
      fail(fmt::format("{} has no array '{}' of labels (arrays: {})", path.filename().string(), options.labels,
                       names_of(arrays)),
           "data.evaluation.labels");
    }
    state->labels = read_labels(options.labels, array->second);
    count_samples(options.labels, array->second.shape().front());
  }
  state->max_batch = std::min(state->max_batch, state->count);
  DataSet set;
  set.state_ = std::move(state);
  return set;
}

std::int64_t DataSet::size() const { return state_->count; }
std::int64_t DataSet::max_batch() const { return state_->max_batch; }
bool DataSet::has_labels() const { return state_->labels.has_value(); }

namespace {

Tensor constant_batch(const Feed& feed, std::int64_t count) {
  graph::Shape shape = feed.constant_shape;
  std::replace(shape.begin(), shape.end(), std::int64_t{-1}, count);
  Tensor tensor(feed.type, shape);
  const std::vector<double> values(static_cast<std::size_t>(tensor.count()), feed.constant);
  if (is_floating(feed.type)) {
    convert(ElementType::float64, values.data(), feed.type, tensor.bytes(), tensor.count(), 1, 1, {});
  } else {
    const std::vector<std::int64_t> whole(values.begin(), values.end());
    convert(ElementType::int64, whole.data(), feed.type, tensor.bytes(), tensor.count(), 1, 1, {});
  }
  return tensor;
}

Tensor array_batch(const Feed& feed, std::int64_t first, std::int64_t count) {
  const graph::Shape& stored = feed.stored.shape();
  const std::int64_t inner = feed.whole && stored.size() > 1 ? stored[1] : 1;  // samples within a stored one
  graph::Shape shape{feed.whole ? inner : count};
  shape.insert(shape.end(), feed.sample_shape.begin(), feed.sample_shape.end());
  const std::int64_t sample = inner * feed.channels * feed.plane;
  // A whole input of a model whose input is a scalar has no axis at all.
  if (feed.whole && stored.size() == 1) shape.clear();
  Tensor tensor(feed.type, std::move(shape));
  const auto* from = static_cast<const std::byte*>(feed.stored.bytes()) +
                     static_cast<std::size_t>(first * sample) * graph::size_of(feed.stored.type());
  convert(feed.stored.type(), from, feed.type, tensor.bytes(), count * inner, feed.channels, feed.plane,
          {feed.mean, feed.std});
  return tensor;
}

}  // namespace

std::vector<Tensor> DataSet::batch(std::int64_t first, std::int64_t count) const {
  state_->check_range(first, count);
  if (count > state_->max_batch) {
    throw Error(ErrorCode::internal, fmt::format("a batch of {} samples; at most {}", count, state_->max_batch));
  }
  std::vector<Tensor> inputs;
  inputs.reserve(state_->feeds.size());
  for (const Feed& feed : state_->feeds) {
    inputs.push_back(feed.stored.defined() ? array_batch(feed, state_->first + first, count)
                                           : constant_batch(feed, count));
  }
  return inputs;
}

std::vector<std::int64_t> DataSet::labels(std::int64_t first, std::int64_t count) const {
  if (!state_->labels) fail("the data set has no labels; name the array that holds them", "data.evaluation.labels");
  state_->check_range(first, count);
  const auto begin = state_->labels->begin() + state_->first + first;
  return {begin, begin + count};
}

DataSet DataSet::slice(std::int64_t first, std::int64_t count) const {
  state_->check_range(first, count);
  if (count == 0) fail("a data set must hold at least one sample");
  auto state = std::make_shared<State>(*state_);
  state->first += first;
  state->count = count;
  state->max_batch = std::min(state->max_batch, count);
  DataSet set;
  set.state_ = std::move(state);
  return set;
}

std::vector<std::string> DataSet::sample_digests() const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::vector<std::string> digests;
  digests.reserve(static_cast<std::size_t>(state_->count));
  for (std::int64_t sample = state_->first; sample < state_->first + state_->count; ++sample) {
    bool fine = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
    for (const Feed& feed : state_->feeds) {
      if (!feed.stored.defined()) continue;
      const std::size_t bytes = feed.stored.byte_count() / static_cast<std::size_t>(feed.stored.shape().front());
      const auto* from = static_cast<const std::byte*>(feed.stored.bytes()) + static_cast<std::size_t>(sample) * bytes;
      fine = fine && EVP_DigestUpdate(context.get(), from, bytes) == 1;
    }
    std::array<unsigned char, 32> digest{};
    if (!fine || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
      throw Error(ErrorCode::internal, "SHA-256 failed");
    }
    std::string text;
    for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
    digests.push_back(std::move(text));
  }
  return digests;
}

}  // namespace ns::data
