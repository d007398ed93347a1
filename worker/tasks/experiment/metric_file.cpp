#include "worker/tasks/experiment/metric_file.h"

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/limits.h"

namespace ns::worker::tasks {
namespace {

using nlohmann::json;

constexpr std::size_t kFrameHeader = 8;                  // 'M' 'E' and six digits
constexpr std::size_t kMostRead = std::size_t{4} << 20;  // at once; a command that writes faster is read in more goes

[[noreturn]] void refuse(const std::string& sentence) {
  throw Error(ErrorCode::invalid, "reported metric: " + sentence);
}

// Python writes what JSON lacks.
json value_of(const std::string& text) {
  if (text == "NaN") return std::nan("");
  if (text == "Infinity") return HUGE_VAL;
  if (text == "-Infinity") return -HUGE_VAL;
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) refuse(fmt::format("the value {} is not JSON", text.substr(0, 100)));
  return value;
}

// Only finite numbers can be compared and stored; the rest of what a trial reports is left out.
json numbers_of(const json& value) {
  json numbers = json::object();
  if (value.is_number() || value.is_boolean()) {
    const double number = value.is_boolean() ? (value.get<bool>() ? 1 : 0) : value.get<double>();
    if (std::isfinite(number)) numbers["default"] = value.is_boolean() ? json(number) : value;
    return numbers;
  }
  if (!value.is_object()) refuse("the value should be a number or an object of numbers");
  for (const auto& [name, entry] : value.items()) {
    if (entry.is_number() && std::isfinite(entry.get<double>())) numbers[name] = entry;
  }
  return numbers;
}

ReportedMetric parse(const std::string& body) {
  if (body.size() > limits::kMaxParametersBytes) refuse("is too long");
  const json frame = json::parse(body, nullptr, false);
  if (!frame.is_object()) refuse("the frame's body is not a JSON object");
  const auto type = frame.find("type"), value = frame.find("value");
  if (type == frame.end() || !type->is_string()) refuse("\"type\" should be PERIODICAL or FINAL");
  const std::string& word = type->get_ref<const std::string&>();
  if (word != "PERIODICAL" && word != "FINAL")
    refuse(fmt::format("type \"{}\" should be PERIODICAL or FINAL", word.substr(0, 40)));
  if (value == frame.end() || !value->is_string()) refuse("\"value\" should be a text that holds JSON");
  ReportedMetric metric;
  metric.final = word == "FINAL";
  const auto sequence = frame.find("sequence");
  if (sequence != frame.end() && sequence->is_number_unsigned()) metric.sequence = sequence->get<std::uint32_t>();
  metric.value = numbers_of(value_of(value->get<std::string>())).dump();
  return metric;
}

}  // namespace

std::vector<ReportedMetric> MetricFile::read() {
  std::ifstream file(file_, std::ios::binary);
  if (!file) return {};
  file.seekg(static_cast<std::streamoff>(offset_));
  std::string fresh(kMostRead, '\0');
  file.read(fresh.data(), static_cast<std::streamsize>(fresh.size()));
  fresh.resize(static_cast<std::size_t>(file.gcount()));
  offset_ += fresh.size();
  tail_ += fresh;

  std::vector<ReportedMetric> metrics;
  std::size_t at = 0;
  while (tail_.size() - at >= kFrameHeader) {
    std::size_t length = 0;
    bool right = tail_[at] == 'M' && tail_[at + 1] == 'E';
    for (std::size_t digit = at + 2; right && digit < at + kFrameHeader; ++digit) {
      right = tail_[digit] >= '0' && tail_[digit] <= '9';
      length = length * 10 + static_cast<std::size_t>(tail_[digit] - '0');
    }
    if (!right)
      refuse(fmt::format("byte {} of .nni/metrics is not the start of a frame (ME and six digits)",
                         offset_ - tail_.size() + at));
    if (tail_.size() - at - kFrameHeader < length) break;
    metrics.push_back(parse(tail_.substr(at + kFrameHeader, length)));
    at += kFrameHeader + length;
  }
  tail_.erase(0, at);
  return metrics;
}

}  // namespace ns::worker::tasks
