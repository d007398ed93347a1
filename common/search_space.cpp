#include "common/search_space.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/error.h"

namespace ns {
namespace {

using nlohmann::json;

struct TypeEntry {
  ParameterType type;
  std::string_view name;
  std::size_t values;  // entries of _value; 0: any number
  bool logarithmic;    // low must be over 0
  bool ranged;         // low < high; otherwise mean and deviation
};

constexpr std::array<TypeEntry, 10> kTypes{{
    {ParameterType::choice, "choice", 0, false, false},
    {ParameterType::randint, "randint", 2, false, true},
    {ParameterType::uniform, "uniform", 2, false, true},
    {ParameterType::quniform, "quniform", 3, false, true},
    {ParameterType::loguniform, "loguniform", 2, true, true},
    {ParameterType::qloguniform, "qloguniform", 3, true, true},
    {ParameterType::normal, "normal", 2, false, false},
    {ParameterType::qnormal, "qnormal", 3, false, false},
    {ParameterType::lognormal, "lognormal", 2, false, false},
    {ParameterType::qlognormal, "qlognormal", 3, false, false},
}};

constexpr std::size_t kShownCharacters = 120;     // of a wrong value, in an error
constexpr double kMaxInteger = 9007199254740992;  // 2^53: a JSON number beyond it is no exact integer everywhere

[[noreturn]] void refuse(const std::string& field, const std::string& sentence) {
  throw Error(ErrorCode::invalid, fmt::format("{}: {}", field, sentence), field);
}

std::string shown(const json& value) {
  std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  if (text.size() > kShownCharacters) text = text.substr(0, kShownCharacters) + "…";
  return text;
}

const TypeEntry& type_named(const json& name, const std::string& field) {
  if (name.is_string()) {
    for (const TypeEntry& entry : kTypes) {
      if (entry.name == name.get_ref<const std::string&>()) return entry;
    }
  }
  std::string known;
  for (const TypeEntry& entry : kTypes) known += (known.empty() ? "" : ", ") + std::string(entry.name);
  refuse(field + "._type", fmt::format("{} is not a type; known are {}", shown(name), known));
}

double number_at(const json& values, std::size_t index, const std::string& field) {
  const json& value = values[index];
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    refuse(fmt::format("{}[{}]", field, index), fmt::format("{} should be a finite number", shown(value)));
  }
  return value.get<double>();
}

class Parser {
 public:
  std::vector<Parameter> entries(const json& object, const std::string& field, std::size_t depth) {
    std::vector<Parameter> parameters;
    for (const auto& [name, entry] : object.items()) {
      if (name == "_name") {
        if (depth > 0) continue;
        refuse(field + "._name", "is reserved for the name of a branch");
      }
      if (++count_ > kMaxSearchParameters) {
        refuse(field, fmt::format("has more than {} parameters", kMaxSearchParameters));
      }
      parameters.push_back(parameter(name, entry, field + "." + name, depth));
    }
    std::sort(parameters.begin(), parameters.end(),
              [](const Parameter& left, const Parameter& right) { return left.name < right.name; });
    return parameters;
  }

 private:
  Parameter parameter(const std::string& name, const json& entry, const std::string& field, std::size_t depth) {
    if (!entry.is_object()) {
      refuse(field, fmt::format(R"({} should be {{"_type": …, "_value": […]}})", shown(entry)));
    }
    for (const char* key : {"_type", "_value"}) {
      if (!entry.contains(key)) refuse(field, fmt::format(R"({} has no "{}")", shown(entry), key));
    }
    for (const auto& [key, value] : entry.items()) {
      if (key != "_type" && key != "_value") refuse(field + "." + key, R"(is unknown; known are "_type", "_value")");
    }
    const TypeEntry& type = type_named(entry["_type"], field);
    const json& values = entry["_value"];
    const std::string values_field = field + "._value";
    if (!values.is_array()) refuse(values_field, fmt::format("{} should be a list", shown(values)));

    Parameter result;
    result.name = name;
    result.type = type.type;
    if (type.type == ParameterType::choice) {
      read_choice(result, values, values_field, depth);
    } else {
      read_numbers(result, type, values, values_field);
    }
    return result;
  }

  void read_choice(Parameter& result, const json& values, const std::string& field, std::size_t depth) {
    if (values.empty()) refuse(field, "is empty; a choice needs at least one option");
    const bool nested = std::all_of(values.begin(), values.end(),
                                    [](const json& option) { return option.is_object() && option.contains("_name"); });
    for (std::size_t index = 0; index < values.size(); ++index) {
      const json& option = values[index];
      if (!nested) {
        result.options.push_back(option.dump());
        continue;
      }
      const std::string here = fmt::format("{}[{}]", field, index);
      if (depth + 1 > kMaxSearchNesting) refuse(here, fmt::format("is nested deeper than {}", kMaxSearchNesting));
      if (!option["_name"].is_string()) refuse(here + "._name", shown(option["_name"]) + " should be a text");
      result.branches.push_back({option["_name"].get<std::string>(), entries(option, here, depth + 1)});
    }
  }

  void read_numbers(Parameter& result, const TypeEntry& type, const json& values, const std::string& field) {
    if (values.size() != type.values) {
      refuse(field, fmt::format("{} should have {} values for {}", shown(values), type.values, type.name));
    }
    result.first = number_at(values, 0, field);
    result.second = number_at(values, 1, field);
    if (type.type == ParameterType::randint) {
      for (double bound : {result.first, result.second}) {
        if (bound != std::floor(bound) || std::abs(bound) > kMaxInteger) {
          refuse(field, fmt::format("{} should be two whole numbers up to 2^53", shown(values)));
        }
      }
    }
    if (type.ranged && !(result.first < result.second)) {
      refuse(field, fmt::format("{}: low should be less than high", shown(values)));
    }
    if (type.logarithmic && !(result.first > 0)) refuse(field, fmt::format("{}: low should be over 0", shown(values)));
    if (!type.ranged && !(result.second > 0)) {
      refuse(field, fmt::format("{}: the deviation should be over 0", shown(values)));
    }
    if (type.values < 3) return;
    result.step = number_at(values, 2, field);
    if (!(result.step > 0)) refuse(field, fmt::format("{}: the step should be over 0", shown(values)));
  }

  std::size_t count_ = 0;
};

bool is_discrete(const Parameter& parameter) {
  switch (parameter.type) {
    case ParameterType::choice:
      return std::all_of(parameter.branches.begin(), parameter.branches.end(), [](const Branch& branch) {
        return std::all_of(branch.parameters.begin(), branch.parameters.end(),
                           [](const Parameter& inner) { return is_discrete(inner); });
      });
    case ParameterType::randint:
    case ParameterType::quniform:
    case ParameterType::qloguniform:
      return true;
    default:
      return false;
  }
}

}  // namespace

SearchSpace parse_search_space(std::string_view text, const std::string& field) {
  const json parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded()) refuse(field, "is not JSON");
  if (!parsed.is_object()) {
    refuse(field, fmt::format(R"({} should be an object of name: {{"_type": …, "_value": […]}})", shown(parsed)));
  }
  if (parsed.empty()) refuse(field, "is empty; an experiment needs at least one parameter to vary");
  return {Parser().entries(parsed, field, 0)};
}

std::string_view to_text(ParameterType type) {
  return std::find_if(kTypes.begin(), kTypes.end(), [type](const TypeEntry& entry) { return entry.type == type; })
      ->name;
}

bool is_discrete(const SearchSpace& space) {
  return std::all_of(space.parameters.begin(), space.parameters.end(),
                     [](const Parameter& parameter) { return is_discrete(parameter); });
}

}  // namespace ns
