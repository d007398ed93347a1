#include "common/task_spec.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <charconv>
#include <cmath>
#include <ctime>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <sstream>

#include "common/error.h"
#include "common/id.h"
#include "common/limits.h"
#include "common/schema/schema.h"

namespace ns {

using nlohmann::json;

namespace {

constexpr std::size_t kMaxDepth = 32;        // of lists and groups; ours need 7
constexpr std::size_t kMaxValues = 200'000;  // a search space is far smaller; bounds memory
constexpr std::string_view kArtifactPrefix = "sha256:";

[[noreturn]] void refuse(const std::string& sentence, const std::string& field = {}) {
  throw Error(ErrorCode::invalid, sentence, field);
}

bool is_utf8(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80                   ? 1
                               : lead >= 0xC2 && lead < 0xE0 ? 2
                               : lead >= 0xE0 && lead < 0xF0 ? 3
                               : lead >= 0xF0 && lead < 0xF5 ? 4
                                                             : 0;
    if (length == 0 || i + length > text.size()) return false;
    std::uint32_t point = length == 1 ? lead : lead & (0xFFu >> (length + 1));
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0) != 0x80) return false;
      point = (point << 6) | (next & 0x3F);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || (point >= 0xD800 && point < 0xE000) || point > 0x10FFFF) return false;
    i += length;
  }
  return true;
}

// Builds a JSON value from what a reader meets, one event at a time, under our limits: depth, number of values, no key
// twice, no NUL. Both readers feed it, so JSON and YAML obey the same rules.
class Builder {
 public:
  void begin(json empty) {
    if (stack_.size() >= kMaxDepth) refuse(fmt::format("nested deeper than {} levels", kMaxDepth), path());
    stack_.push_back({std::move(empty), {}, false});
  }

  void end() {
    json done = std::move(stack_.back().value);
    stack_.pop_back();
    add(std::move(done));
  }

  bool wants_key() const { return !stack_.empty() && stack_.back().value.is_object() && !stack_.back().has_key; }

  void key(const std::string& name) {
    Level& level = stack_.back();
    check_text(name);
    const bool twice = level.value.contains(name);
    level.key = name;
    level.has_key = true;
    if (twice) refuse(path() + ": written twice; keep one", path());
  }

  void add(json value) {
    if (++values_ > kMaxValues) refuse(fmt::format("more than {} values", kMaxValues));
    if (value.is_string()) check_text(value.get_ref<const std::string&>());
    if (stack_.empty()) {
      root_ = std::move(value);
      return;
    }
    Level& level = stack_.back();
    if (level.value.is_array()) {
      level.value.push_back(std::move(value));
    } else {
      level.value[level.key] = std::move(value);
      level.has_key = false;
    }
  }

  // Where the reader is, as people write it.
  std::string path() const {
    schema::Place place;
    for (const Level& level : stack_) {
      if (level.value.is_array()) {
        place = place.element(level.value.size());
      } else if (level.has_key) {
        place = place.member(level.key);
      }
    }
    return place.path;
  }

  json take() { return std::move(root_); }

 private:
  struct Level {
    json value;
    std::string key;
    bool has_key;
  };

  void check_text(const std::string& text) const {
    if (text.find('\0') != std::string::npos) refuse(path() + ": text must not hold a NUL character", path());
  }

  std::vector<Level> stack_;
  json root_;
  std::size_t values_ = 0;
};

template <typename Number>
std::optional<Number> whole_text(std::string_view text, int base = 10) {
  Number number{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?   as YAML 1.2 defines a float.
bool looks_like_float(std::string_view text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  const std::size_t exponent = text.find_first_of("eE");
  std::string_view mantissa = text.substr(0, exponent);
  if (exponent != std::string_view::npos) {
    std::string_view power = text.substr(exponent + 1);
    if (!power.empty() && (power[0] == '+' || power[0] == '-')) power.remove_prefix(1);
    if (!is_digits(power)) return false;
  }
  const std::size_t point = mantissa.find('.');
  if (point == std::string_view::npos) return is_digits(mantissa);
  const std::string_view before = mantissa.substr(0, point), after = mantissa.substr(point + 1);
  return (before.empty() || is_digits(before)) && (after.empty() ? !before.empty() : is_digits(after));
}

// An unquoted word of YAML as YAML 1.2's core schema reads it: yes, no, on and off are text, and so is 010, which some
// readers take for eight and others for ten.
json typed_scalar(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  std::string_view digits = text;
  const bool negative = digits[0] == '-';
  if (negative || digits[0] == '+') digits.remove_prefix(1);
  if (is_digits(digits)) {
    if (digits.size() > 1 && digits[0] == '0') return text;
    if (!negative) {
      if (const auto number = whole_text<std::uint64_t>(digits)) return *number;
    } else if (const auto number = whole_text<std::int64_t>(text)) {
      return *number;
    }
  }
  if (text.size() > 2 && text.compare(0, 2, "0x") == 0) {
    if (const auto number = whole_text<std::uint64_t>(std::string_view(text).substr(2), 16)) return *number;
    return text;
  }
  if (!looks_like_float(text)) return text;
  std::string_view plain = text;
  if (plain[0] == '+') plain.remove_prefix(1);
  double number = 0;
  const auto [end, problem] = std::from_chars(plain.data(), plain.data() + plain.size(), number);
  if (problem != std::errc() || end != plain.data() + plain.size() || !std::isfinite(number)) return text;
  return number;
}

class YamlReader : public YAML::EventHandler {
 public:
  explicit YamlReader(Builder& builder) : builder_(builder) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { scalar(mark, nullptr, ""); }

  // Aliases make a small file into a huge value, or hide what a field holds; a task file needs none.
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(fmt::format("line {}: aliases (*name) are not read; write the value out", mark.line + 1));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& text) override {
    const bool plain = tag == "?" || tag.empty();
    const bool as_text = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (!plain && !as_text) refuse_tag(mark, tag);
    scalar(mark, plain ? typed_scalar(text) : json(text), text);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    begin(mark, tag, json::array());
  }
  void OnSequenceEnd() override { builder_.end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, YAML::EmitterStyle::value) override {
    begin(mark, tag, json::object());
  }
  void OnMapEnd() override { builder_.end(); }

 private:
  void scalar(const YAML::Mark& mark, json value, const std::string& text) {
    if (!builder_.wants_key()) return builder_.add(std::move(value));
    if (text == "<<" && !value.is_null()) {
      refuse(fmt::format("line {}: merge keys (<<) are not read; write the fields out", mark.line + 1));
    }
    if (value.is_null()) refuse(fmt::format("line {}: a field without a name", mark.line + 1));
    builder_.key(text);
  }

  void begin(const YAML::Mark& mark, const std::string& tag, json empty) {
    if (tag != "?" && tag != "!" && !tag.empty()) refuse_tag(mark, tag);
    if (builder_.wants_key()) refuse(fmt::format("line {}: a field's name must be text", mark.line + 1));
    builder_.begin(std::move(empty));
  }

  [[noreturn]] static void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    refuse(fmt::format("line {}: the tag {} is not read; remove it", mark.line + 1, tag));
  }

  Builder& builder_;
};

class JsonReader : public nlohmann::json_sax<json> {
 public:
  explicit JsonReader(Builder& builder) : builder_(builder) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return begin(json::object()); }
  bool key(string_t& name) override {
    builder_.key(name);
    return true;
  }
  bool end_object() override { return end(); }
  bool start_array(std::size_t) override { return begin(json::array()); }
  bool end_array() override { return end(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& problem) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …": the number means nothing to a reader.
    std::string text = problem.what();
    const std::size_t close = text.find("] ");
    if (close != std::string::npos) text.erase(0, close + 2);
    refuse(fmt::format("not JSON (at byte {}): {}", position, text));
  }

 private:
  bool add(json value) {
    builder_.add(std::move(value));
    return true;
  }
  bool begin(json empty) {
    builder_.begin(std::move(empty));
    return true;
  }
  bool end() {
    builder_.end();
    return true;
  }

  Builder& builder_;
};

json read_json(std::string_view text) {
  Builder builder;
  JsonReader reader(builder);
  json::sax_parse(text, &reader);
  return builder.take();
}

json read_yaml(std::string_view text) {
  Builder builder;
  YamlReader reader(builder);
  std::istringstream stream{std::string(text)};
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(reader)) return nullptr;
    if (parser) refuse("holds more than one YAML document; keep one");
  } catch (const YAML::Exception& problem) {
    refuse(
        fmt::format("not YAML: line {}, column {}: {}", problem.mark.line + 1, problem.mark.column + 1, problem.msg));
  }
  return builder.take();
}

json read_text(std::string_view text) {
  if (text.size() > limits::kMaxSpecBytes) {
    throw Error(ErrorCode::too_large, fmt::format("{} bytes; at most {} are read", text.size(), limits::kMaxSpecBytes));
  }
  if (!is_utf8(text)) refuse("not UTF-8 text");
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) text.remove_prefix(kByteOrderMark.size());
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{' ? read_json(text) : read_yaml(text);
}

// The value checked against its kind's schema, with defaults filled in.
void check(json& value, const schema::OnArtifact& on_artifact) {
  if (!value.is_object()) refuse("a task is a group of fields, such as kind: quantize");
  const std::vector<std::string> kinds = task_kinds();
  const std::string expected = fmt::format("expected one of: {}", fmt::join(kinds, ", "));
  if (!value.contains("kind")) refuse("kind: missing; " + expected, "kind");
  if (!value["kind"].is_string())
    refuse(fmt::format("kind: {} does not fit; {}", value["kind"].dump(), expected), "kind");
  const std::string kind = value["kind"];
  schema::apply(schema::schema_of_kind(kind), value, on_artifact);
}

bool names_artifact(const schema::Place& place, const std::string& text) {
  if (text.compare(0, kArtifactPrefix.size(), kArtifactPrefix) != 0) return false;
  if (is_artifact_id(text)) return true;
  refuse(fmt::format("{}: \"{}\" is not an artifact; expected sha256: and 64 lower-case hexadecimal digits", place.path,
                     text.substr(0, 80)),
         place.path);
}

void check_file(const schema::Place& place, const std::filesystem::path& file) {
  const auto wrong = [&](const std::string& what) {
    refuse(fmt::format("{}: {} {}; expected the path of a readable file", place.path, file.string(), what), place.path);
  };
  std::error_code problem;
  const auto status = std::filesystem::status(file, problem);
  if (!std::filesystem::exists(status))
    wrong(problem && problem != std::errc::no_such_file_or_directory ? "cannot be read (" + problem.message() + ")"
                                                                     : "does not exist");
  if (!std::filesystem::is_regular_file(status)) wrong("is not a file");
  if (!std::ifstream(file, std::ios::binary)) wrong("cannot be opened");
  const std::uintmax_t size = std::filesystem::file_size(file, problem);
  if (!problem && size == 0) wrong("is empty");
  if (!problem && size > limits::kMaxArtifactBytes) wrong(fmt::format("has {} bytes, more than may be stored", size));
}

// A number of at least zero, whole part and fraction, with its unit behind it.
struct Quantity {
  double number;
  std::string_view unit;
};

std::optional<Quantity> quantity(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string_view digits = text.substr(0, end);
  if (!looks_like_float(digits)) return std::nullopt;
  double number = 0;
  const auto [stop, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (problem != std::errc() || stop != digits.data() + digits.size()) return std::nullopt;
  std::string_view unit = text.substr(end);
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  return Quantity{number, unit};
}

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kTimeUnits[] = {{"ms", 1},     {"s", 1e3},     {"m", 60e3}, {"min", 60e3},
                               {"h", 3600e3}, {"d", 86400e3}, {"", 1e3}};
constexpr Unit kByteUnits[] = {{"", 1},
                               {"B", 1},
                               {"kB", 1e3},
                               {"KB", 1e3},
                               {"MB", 1e6},
                               {"GB", 1e9},
                               {"TB", 1e12},
                               {"KiB", 1024.0},
                               {"MiB", 1048576.0},
                               {"GiB", 1073741824.0},
                               {"TiB", 1099511627776.0}};

template <std::size_t N>
std::optional<double> in_units(std::string_view text, const Unit (&units)[N]) {
  const std::optional<Quantity> found = quantity(text);
  if (!found) return std::nullopt;
  for (const Unit& unit : units) {
    if (unit.name == found->unit) return found->number * unit.factor;
  }
  return std::nullopt;
}

std::string prefix(const std::string& field) { return field.empty() ? std::string() : field + ": "; }

}  // namespace

TaskFile parse_task(std::string_view text, const std::filesystem::path& folder) {
  json spec = read_text(text);
  TaskFile task;
  check(spec, [&](const schema::Place& place, const std::string& value) {
    if (names_artifact(place, value)) return;
    const std::filesystem::path file = folder / value;
    check_file(place, file);
    task.files.push_back({place.pointer, file});
  });
  task.spec = spec.dump();
  if (task.spec.size() > limits::kMaxSpecBytes) {
    throw Error(ErrorCode::too_large, fmt::format("{} bytes with its defaults; at most {} may be submitted",
                                                  task.spec.size(), limits::kMaxSpecBytes));
  }
  task.kind = spec["kind"];
  task.name = spec.value("name", "");
  task.priority = spec["priority"];
  task.workers = spec["workers"];
  task.max_attempts = spec["limits"]["max_attempts"];
  task.pool = spec["pool"];
  task.isa = spec["requirements"]["isa"].get<std::vector<std::string>>();
  task.tags = spec["requirements"]["tags"].get<std::vector<std::string>>();
  task.memory_bytes = parse_bytes(spec["requirements"]["memory"].get<std::string>(), "requirements.memory");
  task.delay = parse_duration(spec["delay"].get<std::string>(), "delay");
  task.begin = parse_moment(spec["begin"].get<std::string>(), "begin");
  task.deadline = parse_duration(spec["deadline"].get<std::string>(), "deadline");
  task.timeout = parse_duration(spec["stop"]["timeout"].get<std::string>(), "stop.timeout");
  return task;
}

TaskFile read_task_file(const std::filesystem::path& path) {
  std::error_code problem;
  if (!std::filesystem::is_regular_file(path, problem)) {
    throw Error(ErrorCode::not_found,
                fmt::format("{}: no such file; expected a task file, YAML or JSON", path.string()));
  }
  std::ifstream file(path, std::ios::binary);
  std::string text(limits::kMaxSpecBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad() || (!file && !file.eof())) refuse(path.string() + ": cannot be read");
  text.resize(static_cast<std::size_t>(file.gcount()));
  try {
    TaskFile task = parse_task(text, path.parent_path());
    if (task.name.empty()) task.name = path.stem().string();
    return task;
  } catch (const Error& wrong) {
    throw Error(wrong.code(), fmt::format("{}: {}", path.string(), wrong.what()), wrong.field());
  }
}

std::string with_artifacts(const TaskFile& task, const std::vector<std::string>& artifact_ids) {
  if (artifact_ids.size() != task.files.size()) {
    throw Error(ErrorCode::internal, fmt::format("{} artifacts for {} files", artifact_ids.size(), task.files.size()));
  }
  json spec = json::parse(task.spec);
  for (std::size_t i = 0; i < artifact_ids.size(); ++i) {
    spec.at(json::json_pointer(task.files[i].pointer)) = artifact_ids[i];
  }
  return spec.dump();
}

std::string checked_spec(std::string_view text) {
  json spec = read_text(text);
  check(spec, [](const schema::Place& place, const std::string& value) {
    if (names_artifact(place, value)) return;
    refuse(fmt::format("{}: \"{}\" is not an artifact; expected sha256: and 64 lower-case hexadecimal digits",
                       place.path, value.substr(0, 80)),
           place.path);
  });
  return spec.dump();
}

void validate_spec(std::string_view text) { checked_spec(text); }

std::vector<std::string> task_kinds() { return schema::kinds(); }

std::string schema_of(std::string_view kind) { return schema::schema_of_kind(kind).dump(2); }

std::string yaml_to_json(std::string_view text) { return read_text(text).dump(); }

std::chrono::milliseconds parse_duration(std::string_view text, const std::string& field) {
  constexpr double kLongest = 366.0 * 86400e3;
  const std::optional<double> milliseconds = in_units(text, kTimeUnits);
  if (!milliseconds || *milliseconds > kLongest) {
    refuse(fmt::format("{}\"{}\" is not a time; expected one such as 250ms, 90s, 10m or 2h, up to 366d", prefix(field),
                       text.substr(0, 80)),
           field);
  }
  return std::chrono::milliseconds(std::llround(*milliseconds));
}

std::chrono::milliseconds parse_moment(std::string_view text, const std::string& field) {
  if (text.empty()) return std::chrono::milliseconds(0);
  static const std::regex form(
      R"((\d{4})-(\d\d)-(\d\d)[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d)))");
  std::cmatch parts;
  const auto number = [&](std::size_t group) { return parts[group].matched ? std::stoi(parts[group].str()) : 0; };
  if (std::regex_match(text.data(), text.data() + text.size(), parts, form)) {
    std::tm utc{};
    utc.tm_year = number(1) - 1900;
    utc.tm_mon = number(2) - 1;
    utc.tm_mday = number(3);
    const std::tm asked = utc;
    const std::time_t day = ::timegm(&utc);  // makes a day that there is of one that there is not
    const bool is_day = utc.tm_year == asked.tm_year && utc.tm_mon == asked.tm_mon && utc.tm_mday == asked.tm_mday;
    const auto time = std::chrono::seconds(day) + std::chrono::hours(number(4)) + std::chrono::minutes(number(5)) +
                      std::chrono::seconds(number(6));
    const auto east = std::chrono::hours(number(8)) + std::chrono::minutes(number(9));
    const auto moment = parts[7] == "-" ? time + east : time - east;
    if (is_day && moment.count() > 0) return moment;
  }
  refuse(fmt::format("{}\"{}\" is not a moment; expected one with its zone, such as 2027-01-31T22:00Z or "
                     "2027-01-31T23:00+01:00",
                     prefix(field), text.substr(0, 80)),
         field);
}

std::uint64_t parse_bytes(std::string_view text, const std::string& field) {
  constexpr double kLargest = 1152921504606846976.0;  // 1 EiB: exact in a double, and more than any machine has
  const std::optional<double> bytes = in_units(text, kByteUnits);
  if (!bytes || *bytes > kLargest || std::floor(*bytes) != *bytes) {
    refuse(fmt::format("{}\"{}\" is not a size; expected one such as 1000000, 512MiB or 2GiB, up to 1048576TiB",
                       prefix(field), text.substr(0, 80)),
           field);
  }
  return static_cast<std::uint64_t>(*bytes);
}

}  // namespace ns
