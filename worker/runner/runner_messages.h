// What a supervisor and its runner say to each other. Plain values; any thread.
//
// First, once, to the runner: its settings, as JSON text. Everything after that is a message of the protocol, header
// and body in one. To the runner: jobs, stop_job (with the outcome handed_back: only if it has not begun). From it: ok
// (once: it is ready), report_metrics, report_results.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/messages.h"
#include "common/wire.h"

namespace ns::worker {

struct RunnerSettings {
  std::string name;  // of the slot, for the log
  WorkerId worker;
  std::string log_level;
  std::vector<std::string> endpoints;
  std::string key;  // as the worker's own: files, not what is in them
  std::string broker_key;
  std::string cache_folder;
  std::uint64_t cache_bytes = 0;
  std::string work_folder;  // of this slot alone; for scratch
  std::vector<int> cpus;
};

std::string encode_settings(const RunnerSettings&);
RunnerSettings decode_settings(std::string_view);  // Error(invalid)

template <typename Message>
std::string encode(const Message& message) {
  return wire::encode_header({wire::kTypeOf<Message>, 0}) + wire::encode_body(message);
}

struct RunnerMessage {
  MessageType type{};
  std::string_view body;  // for wire::decode
};

RunnerMessage read_message(std::string_view);  // Error(invalid)

// An error's text as the broker takes it: not too long, and UTF-8 whatever a command has printed.
std::string as_error_text(std::string);

}  // namespace ns::worker
