// Applies a JSON Schema to a JSON value: what is wrong is thrown with the field's path, the value, and what would be
// right; what is missing is filled in from the schema's defaults.
//
// Understands of draft-07 what the schemas here use: type, properties, required, additionalProperties, propertyNames,
// items, enum, const, default, minimum, maximum, exclusiveMinimum, min/max of Items, Length and Properties, $ref, and
// these formats: artifact (a file), duration, bytes, line (text without control characters), file_name.
// A keyword beside a $ref is laid over what it refers to. Pure functions; any thread.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ns::schema {

// A place in a value: the path people read ("data.inputs.image.mean[0]") and the JSON pointer.
struct Place {
  std::string path;
  std::string pointer;

  Place member(std::string_view key) const;
  Place element(std::size_t index) const;
};

// One task kind's schema on its own: every $ref leads to its own "definitions". Error(invalid), field "kind", lists
// the known kinds.
const nlohmann::json& schema_of_kind(std::string_view kind);
std::vector<std::string> kinds();

// The sub-schema itself, or what its $ref leads to with the keywords beside it laid over.
nlohmann::json resolved(const nlohmann::json& root, const nlohmann::json& part);

// What a value of this sub-schema looks like, in words: "a whole number from 1 to 3", "one of: top1, top5".
std::string expectation(const nlohmann::json& schema);

// Called for every value whose format is artifact.
using OnArtifact = std::function<void(const Place&, const std::string& value)>;

// Checks `value` against `root`, fills in defaults, and writes durations and byte sizes given as numbers as text.
void apply(const nlohmann::json& root, nlohmann::json& value, const OnArtifact& on_artifact);

}  // namespace ns::schema
