// MetricFile: reads NNI's metric file as a running command appends to it.
//
//   file  := frame*
//   frame := 'M' 'E' length body        length: six decimal digits; body: that many bytes, a JSON object and a newline
//
// A frame may arrive in pieces: an incomplete tail is kept for the next read. One thread an object.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ns::worker::tasks {

struct ReportedMetric {
  bool final = false;
  std::uint32_t sequence = 0;
  std::string value;  // JSON text: an object of numbers; a lone number becomes {"default": number}
};

class MetricFile {
 public:
  explicit MetricFile(std::filesystem::path file) : file_(std::move(file)) {}

  // What is new and complete. Error(invalid) says at which byte the file is no metric file.
  std::vector<ReportedMetric> read();

 private:
  std::filesystem::path file_;
  std::uint64_t offset_ = 0;  // of what was read
  std::string tail_;
};

}  // namespace ns::worker::tasks
