// The one exception type of NS, its codes, and what each code means at every door (HTTP, exit status, retry).
//
// Thrown only when this request, task or process start cannot go on; expected outcomes are return values.
// Immutable once made; may be copied between threads.
#pragma once

#include <array>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace ns {

enum class ErrorCode {
  invalid,       // the input is wrong; the message names the field, the value and what would be right
  not_found,     // no such task, artifact, file
  conflict,      // the same id was used for something else
  stale,         // the lease has ended; whoever holds it writes nothing more
  too_large,     // over a stated limit
  forbidden,     // whoever asks has not the role for it, or is not let in
  unsupported,   // understood, but this build cannot do it (an operator, a protocol version)
  overloaded,    // try again later
  unavailable,   // the service (broker, Redis, a worker) cannot be reached
  timeout,       // no answer in time
  cancelled,     // a person or a signal asked to stop
  unknown_peer,  // the broker does not know this worker: say hello again
  internal,      // a defect of ours
};

struct ErrorEntry {
  ErrorCode code;
  std::string_view name;  // on the wire and in --json
  int http_status;
  int exit_code;   // of ns-client
  bool retryable;  // the same request may succeed later, unchanged
};

// One line a code; the order is that of ErrorCode.
inline constexpr std::array<ErrorEntry, 13> kErrorTable{{
    {ErrorCode::invalid, "invalid", 422, 2, false},
    {ErrorCode::not_found, "not_found", 404, 2, false},
    {ErrorCode::conflict, "conflict", 409, 2, false},
    {ErrorCode::stale, "stale", 409, 1, false},
    {ErrorCode::too_large, "too_large", 413, 2, false},
    {ErrorCode::forbidden, "forbidden", 403, 2, false},
    {ErrorCode::unsupported, "unsupported", 422, 2, false},
    {ErrorCode::overloaded, "overloaded", 503, 3, true},
    {ErrorCode::unavailable, "unavailable", 503, 3, true},
    {ErrorCode::timeout, "timeout", 504, 3, true},
    {ErrorCode::cancelled, "cancelled", 409, 130, false},
    {ErrorCode::unknown_peer, "unknown_peer", 409, 3, true},
    {ErrorCode::internal, "internal", 500, 1, false},
}};

constexpr const ErrorEntry& entry_of(ErrorCode code) { return kErrorTable[static_cast<std::size_t>(code)]; }

// The code named `name`, or internal when there is no such name (a newer peer may know more codes).
constexpr ErrorCode error_code_from(std::string_view name) {
  for (const ErrorEntry& entry : kErrorTable) {
    if (entry.name == name) return entry.code;
  }
  return ErrorCode::internal;
}

class Error : public std::runtime_error {
 public:
  // `field` is the path of what is wrong in the input ("stop.max_trials"), empty when there is none.
  Error(ErrorCode code, const std::string& sentence, std::string field = {})
      : std::runtime_error(sentence), code_(code), field_(std::move(field)) {}

  ErrorCode code() const { return code_; }
  const std::string& field() const { return field_; }

 private:
  ErrorCode code_;
  std::string field_;
};

}  // namespace ns
