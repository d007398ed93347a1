// What a supervisor and its runner say to each other, as structs and as JSON text. Plain values; any thread.
//
// To the runner: settings (once, first), job, stop. From it: ready (once), metric, result.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/messages.h"

namespace ns::worker {

struct RunnerSettings {
  std::string name;  // of the slot, for the log
  std::string log_level;
  std::vector<std::string> endpoints;
  std::string key;  // as the worker's own: files, not what is in them
  std::string broker_key;
  std::string cache_folder;
  std::uint64_t cache_bytes = 0;
  std::string work_folder;  // of this slot alone; for scratch
  std::vector<int> cpus;
};

struct RunnerMessage {
  std::string type;
  RunnerSettings settings;  // of "settings"
  Job job;                  // of "job"
  std::string body;         // of "metric": JSON text
  JobResult result;         // of "result": outcome, result, error
};

std::string encode(const RunnerMessage&);
RunnerMessage decode_runner_message(std::string_view);  // Error(invalid)

}  // namespace ns::worker
