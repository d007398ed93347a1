// Journal: what one process of the torture test saw, one JSON object a line, each with "t", microseconds since 1970.
//
// A line is on its way to the kernel when write() returns, so that kill -9 of the writer loses none. All processes run
// on one machine, whose one clock Redis reads too: times of journals and of events may be compared.
// One thread an object.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

namespace ns::torture {

using Json = nlohmann::json;

std::uint64_t now_us();

class Journal {
 public:
  explicit Journal(const std::filesystem::path& file);  // appended to
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  void write(Json entry);

 private:
  int file_ = -1;
};

// Without a torn last line: what its writer died over, it did not rely on yet.
std::vector<Json> read_journal(const std::filesystem::path& file);

}  // namespace ns::torture
