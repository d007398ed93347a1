#include "common/schema/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "common/error.h"
#include "common/schema/schema_texts.h"
#include "common/task_spec.h"

namespace ns::schema {

using nlohmann::json;

namespace {

constexpr std::string_view kDefinitions = "definitions";
constexpr std::string_view kLocalReference = "#/definitions/";

[[noreturn]] void refuse(const Place& place, const std::string& what) {
  throw Error(ErrorCode::invalid, place.path.empty() ? what : place.path + ": " + what, place.path);
}

bool is_plain_key(std::string_view key) {
  return !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return c >= 0x80 || std::isalnum(c) || c == '_' || c == '-' || c == '/' || c == ':';
  });
}

// The value as people would write it, cut where it is long.
std::string shown(const json& value) {
  if (value.is_object()) return "a group of fields";
  if (value.is_array()) return fmt::format("a list of {}", value.size());
  if (value.is_null()) return "nothing";
  constexpr std::size_t kLongest = 80;
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kLongest) {
    std::size_t cut = kLongest;
    while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0) == 0x80) --cut;
    text = text.substr(0, cut) + "…";
  }
  return text;
}

std::string number_text(const json& number) { return number.dump(); }

constexpr const char* kWordLetters = "abcdefghijklmnopqrstuvwxyz0123456789_-.";

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

std::vector<std::string> words_of(const json& schema) {
  std::vector<std::string> words;
  for (const json& word : schema.at("enum")) words.push_back(word.is_string() ? word.get<std::string>() : word.dump());
  return words;
}

// How many letters differ: insertions, removals, replacements and swaps of neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t differs = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + differs});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

// " (did you mean "x"?)", or nothing when no word is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongestWord = 64;
  if (word.size() > kLongestWord) return {};
  const std::string* nearest = nullptr;
  std::size_t least = std::max<std::size_t>(1, word.size() / 2) + 1;
  for (const std::string& candidate : known) {
    const std::size_t d = distance(word, candidate);
    if (d < least) {
      least = d;
      nearest = &candidate;
    }
  }
  return nearest ? fmt::format(" (did you mean {}?)", *nearest) : "";
}

bool is_whole(const json& value) {
  if (value.is_number_integer()) return true;
  if (!value.is_number_float()) return false;
  const double number = value.get<double>();
  return std::isfinite(number) && std::floor(number) == number && std::abs(number) <= 9007199254740992.0;
}

bool has_type(const json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return is_whole(value);
  if (type == "number") return value.is_number();
  return false;
}

bool has_any_type(const json& value, const json& types) {
  if (types.is_string()) return has_type(value, types.get_ref<const std::string&>());
  return std::any_of(types.begin(), types.end(),
                     [&](const json& type) { return has_type(value, type.get_ref<const std::string&>()); });
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// Code points of text that is known to be UTF-8.
std::size_t length_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

std::string range_text(const json& schema, const char* low, const char* high, std::string_view unit) {
  const bool has_low = schema.contains(low), has_high = schema.contains(high);
  if (has_low && has_high) return fmt::format(" of {} to {} {}", schema[low].dump(), schema[high].dump(), unit);
  if (has_low) return fmt::format(" of at least {} {}", schema[low].dump(), unit);
  if (has_high) return fmt::format(" of at most {} {}", schema[high].dump(), unit);
  return {};
}

class Walk {
 public:
  Walk(const json& root, const OnArtifact& on_artifact) : root_(root), on_artifact_(on_artifact) {}

  void value(const json& part, json& value, const Place& place) {
    const json schema = resolved(root_, part);
    check_word(schema, value, place);
    check_type(schema, value, place);
    if (value.is_number()) check_number(schema, value, place);
    if (schema.contains("format")) check_format(schema, value, place);
    if (value.is_string()) check_length(schema, value.get_ref<const std::string&>(), place);
    if (value.is_object()) object(schema, value, place);
    if (value.is_array()) array(schema, value, place);
  }

 private:
  void check_type(const json& schema, json& value, const Place& place) {
    if (!schema.contains("type") || has_any_type(value, schema["type"])) {
      // 40.0 is the whole number 40: say so once, here.
      if (schema.value("type", json()) == "integer" && value.is_number_float()) {
        value = static_cast<std::int64_t>(value.get<double>());
      }
      return;
    }
    std::string hint;
    if (schema["type"] == "string" && value.is_primitive() && !value.is_null()) {
      hint = fmt::format("; in quotes, \"{}\", it is text", value.dump());
    }
    refuse(place, fmt::format("{} does not fit; expected {}{}", shown(value), expectation(schema), hint));
  }

  void check_word(const json& schema, const json& value, const Place& place) {
    if (schema.contains("const") && value != schema["const"]) {
      refuse(place, fmt::format("{} does not fit; expected {}", shown(value), expectation(schema)));
    }
    if (!schema.contains("enum")) return;
    if (std::find(schema["enum"].begin(), schema["enum"].end(), value) != schema["enum"].end()) return;
    const std::string near =
        value.is_string() ? suggestion(value.get_ref<const std::string&>(), words_of(schema)) : std::string();
    refuse(place, fmt::format("{} is not known; expected {}{}", shown(value), expectation(schema), near));
  }

  void check_number(const json& schema, const json& value, const Place& place) {
    const double number = value.get<double>();
    const bool wrong = !std::isfinite(number) ||
                       (schema.contains("minimum") && number < schema["minimum"].get<double>()) ||
                       (schema.contains("maximum") && number > schema["maximum"].get<double>()) ||
                       (schema.contains("exclusiveMinimum") && number <= schema["exclusiveMinimum"].get<double>());
    if (wrong) refuse(place, fmt::format("{} is out of range; expected {}", shown(value), expectation(schema)));
  }

  void check_length(const json& schema, const std::string& text, const Place& place) {
    const std::size_t length = length_of(text);
    if (length < schema.value("minLength", std::size_t{0}) || length > schema.value("maxLength", text.size())) {
      refuse(place, fmt::format("{} has {} characters; expected {}", shown(text), length, expectation(schema)));
    }
  }

  void check_format(const json& schema, json& value, const Place& place) {
    const std::string& format = schema["format"].get_ref<const std::string&>();
    // Durations and sizes may be written as numbers; whoever receives the spec then always finds text.
    if (value.is_number() && (format == "duration" || format == "bytes")) value = number_text(value);
    if (!value.is_string()) return;
    const std::string text = value.get<std::string>();
    if (format == "duration") parse_duration(text, place.path);
    if (format == "bytes") parse_bytes(text, place.path);
    if (format == "moment") parse_moment(text, place.path);
    if (format == "artifact" && on_artifact_) on_artifact_(place, text);
    if (format == "line" && has_control_character(text)) {
      refuse(place, fmt::format("{} holds control characters; expected {}", shown(value), expectation(schema)));
    }
    if (format == "word" && text.find_first_not_of(kWordLetters) != std::string::npos) {
      refuse(place, fmt::format("{} does not fit; expected {}", shown(value), expectation(schema)));
    }
    if (format == "file_name") {
      const bool wrong = text.empty() || text == "." || text == ".." || text.find('/') != std::string::npos ||
                         has_control_character(text);
      if (wrong) {
        refuse(place, fmt::format("{} is not a file name; expected one without slashes or control characters, not "
                                  "\".\" or \"..\"",
                                  shown(value)));
      }
    }
  }

  void object(const json& schema, json& value, const Place& place) {
    check_known_keys(schema, value, place);
    check_required(schema, value, place);
    check_count(schema, value.size(), place, "minProperties", "maxProperties");
    fill_defaults(schema, value);
    const json none = json::object();
    const json& properties = schema.contains("properties") ? schema["properties"] : none;
    for (auto& [key, member] : value.items()) {
      const Place at = place.member(key);
      if (schema.contains("propertyNames")) check_key(schema["propertyNames"], key, at);
      if (properties.contains(key)) {
        this->value(properties[key], member, at);
      } else if (schema.contains("additionalProperties") && schema["additionalProperties"].is_object()) {
        this->value(schema["additionalProperties"], member, at);
      }
    }
  }

  void check_key(const json& names, const std::string& key, const Place& at) {
    json text = key;
    value(names, text, at);
  }

  void check_known_keys(const json& schema, const json& value, const Place& place) {
    if (schema.value("additionalProperties", json(true)) != json(false)) return;
    std::vector<std::string> known;
    for (const auto& [key, ignored] : schema["properties"].items()) known.push_back(key);
    for (const auto& [key, ignored] : value.items()) {
      if (schema["properties"].contains(key)) continue;
      refuse(place.member(key), fmt::format("no such field{}; known here: {}", suggestion(key, known), joined(known)));
    }
  }

  void check_required(const json& schema, const json& value, const Place& place) {
    if (!schema.contains("required")) return;
    for (const json& key : schema["required"]) {
      const std::string& name = key.get_ref<const std::string&>();
      if (value.contains(name)) continue;
      const json field = resolved(root_, schema["properties"][name]);
      refuse(place.member(name), fmt::format("missing; expected {}{}", expectation(field), example(field)));
    }
  }

  static std::string example(const json& field) {
    return field.contains("examples") ? fmt::format(", such as {}", field["examples"][0].dump()) : "";
  }

  void fill_defaults(const json& schema, json& value) {
    if (!schema.contains("properties")) return;
    for (const auto& [key, part] : schema["properties"].items()) {
      if (value.contains(key)) continue;
      const json field = resolved(root_, part);
      if (field.contains("default")) value[key] = field["default"];
    }
  }

  void array(const json& schema, json& value, const Place& place) {
    check_count(schema, value.size(), place, "minItems", "maxItems");
    if (!schema.contains("items")) return;
    for (std::size_t i = 0; i < value.size(); ++i) this->value(schema["items"], value[i], place.element(i));
  }

  void check_count(const json& schema, std::size_t count, const Place& place, const char* low, const char* high) {
    if (count >= schema.value(low, std::size_t{0}) && count <= schema.value(high, count)) return;
    refuse(place, fmt::format("has {} entries; expected {}", count, expectation(schema)));
  }

  const json& root_;
  const OnArtifact& on_artifact_;
};

// "definitions.json#/definitions/x" -> "#/definitions/x", everywhere.
void make_references_local(json& part) {
  if (part.is_object() && part.contains("$ref")) {
    std::string& reference = part["$ref"].get_ref<std::string&>();
    reference = reference.substr(reference.find('#'));
  }
  if (!part.is_structured()) return;
  for (json& child : part) make_references_local(child);
}

std::map<std::string, json, std::less<>> load() {
  json definitions;
  std::map<std::string, json, std::less<>> schemas;
  for (const SchemaText& text : schema_texts()) {
    json schema = json::parse(text.json);
    if (text.name == kDefinitions) {
      definitions = schema["definitions"];
      continue;
    }
    make_references_local(schema);
    schema["definitions"] = definitions;
    schemas.emplace(text.name, std::move(schema));
  }
  return schemas;
}

const std::map<std::string, json, std::less<>>& schemas() {
  static const std::map<std::string, json, std::less<>> loaded = load();
  return loaded;
}

std::string string_expectation(const json& schema) {
  const std::string format = schema.value("format", "");
  if (format == "artifact") return "a path, or sha256:… of an artifact";
  if (format == "duration") return "a time such as 250ms, 90s, 10m or 2h";
  if (format == "moment") return "a time such as 2027-01-31T22:00Z or 2027-01-31T23:00+01:00, or \"\"";
  if (format == "bytes") return "a size such as 512MiB or 2GiB";
  if (format == "word") return "a word of lower-case letters, digits, \"_\", \"-\" and \".\"";
  const std::string what = format == "line" ? "one line of text" : "text";
  return what + range_text(schema, "minLength", "maxLength", "characters");
}

std::string number_expectation(const json& schema, std::string_view what) {
  if (schema.contains("exclusiveMinimum")) return fmt::format("{} above {}", what, schema["exclusiveMinimum"].dump());
  const bool low = schema.contains("minimum"), high = schema.contains("maximum");
  if (low && high) return fmt::format("{} from {} to {}", what, schema["minimum"].dump(), schema["maximum"].dump());
  if (low) return fmt::format("{} from {} up", what, schema["minimum"].dump());
  if (high) return fmt::format("{} up to {}", what, schema["maximum"].dump());
  return std::string(what);
}

}  // namespace

Place Place::member(std::string_view key) const {
  Place place;
  if (is_plain_key(key)) {
    place.path = path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  } else {
    place.path = fmt::format("{}[{}]", path, json(key).dump(-1, ' ', false, json::error_handler_t::replace));
  }
  place.pointer = pointer + '/';
  for (const char c : key) {
    if (c == '~') {
      place.pointer += "~0";
    } else if (c == '/') {
      place.pointer += "~1";
    } else {
      place.pointer += c;
    }
  }
  return place;
}

Place Place::element(std::size_t index) const {
  return {fmt::format("{}[{}]", path, index), fmt::format("{}/{}", pointer, index)};
}

std::vector<std::string> kinds() {
  std::vector<std::string> names;
  for (const SchemaText& text : schema_texts()) {
    if (text.name != kDefinitions) names.emplace_back(text.name);
  }
  return names;
}

const json& schema_of_kind(std::string_view kind) {
  const auto found = schemas().find(kind);
  if (found != schemas().end()) return found->second;
  const std::vector<std::string> known = kinds();
  throw Error(ErrorCode::invalid,
              fmt::format("kind: {} is not known; expected one of: {}{}", shown(json(kind)), joined(known),
                          suggestion(kind, known)),
              "kind");
}

json resolved(const json& root, const json& part) {
  if (!part.contains("$ref")) return part;
  const std::string& reference = part["$ref"].get_ref<const std::string&>();
  json target = root.at("definitions").at(reference.substr(kLocalReference.size()));
  for (const auto& [key, value] : part.items()) {
    if (key != "$ref") target[key] = value;
  }
  return target;
}

std::string expectation(const json& schema) {
  if (schema.contains("const")) return schema["const"].dump();
  if (schema.contains("enum")) return "one of: " + joined(words_of(schema));
  const json types = schema.value("type", json("any"));
  const std::string type = types.is_array() ? types[0].get<std::string>() : types.get<std::string>();
  if (type == "string") return string_expectation(schema);
  if (type == "integer") return number_expectation(schema, "a whole number");
  if (type == "number") return number_expectation(schema, "a number");
  if (type == "boolean") return "true or false";
  if (type == "array") return "a list" + range_text(schema, "minItems", "maxItems", "entries");
  if (type == "object") return "a group of fields" + range_text(schema, "minProperties", "maxProperties", "entries");
  return "any value";
}

void apply(const json& root, json& value, const OnArtifact& on_artifact) {
  Walk(root, on_artifact).value(root, value, Place{});
}

}  // namespace ns::schema
