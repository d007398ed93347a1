#include "tests/system/torture/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <stdexcept>
#include <string>

namespace ns::torture {

std::uint64_t now_us() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(now).count());
}

Journal::Journal(const std::filesystem::path& file) {
  file_ = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file_ < 0) throw std::runtime_error("cannot write " + file.string());
}

Journal::~Journal() { ::close(file_); }

void Journal::write(Json entry) {
  entry["t"] = now_us();
  const std::string line = entry.dump() + '\n';
  if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error("a journal cannot be written");
  }
}

std::vector<Json> read_journal(const std::filesystem::path& file) {
  std::vector<Json> entries;
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_discarded()) entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace ns::torture
