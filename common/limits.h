// Every limit on what comes from outside, each with its reason. PROTOCOL.md repeats those that a client meets.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ns::limits {

using namespace std::chrono_literals;

// Wire
inline constexpr std::size_t kMaxMessageBytes = 4u << 20;  // one frame; a chunk plus room; bounds a peer's cost to us
inline constexpr std::size_t kChunkBytes = 512u << 10;     // artifact chunks: small enough never to delay a heartbeat
inline constexpr std::size_t kMaxNesting = 16;             // depth of MessagePack; ours need 5
inline constexpr std::size_t kMaxBatch = 1024;             // entries of one list in one message
inline constexpr std::size_t kMaxSpecBytes = 1u << 20;     // a task file as JSON, search space included
inline constexpr std::size_t kMaxParametersBytes = 256u << 10;  // one trial's parameters
inline constexpr std::size_t kMaxResultBytes = 1u << 20;        // one job's result
inline constexpr std::size_t kMaxTextBytes = 16u << 10;         // names, error sentences, last log lines

// Tasks
inline constexpr std::uint32_t kMaxTrials = 100'000;      // of one task
inline constexpr std::uint32_t kMaxTaskWorkers = 10'000;  // trials of one task at once
inline constexpr std::uint32_t kMaxAttempts = 3;          // default before dead-lettering
inline constexpr std::uint64_t kMaxDelayMs = 366ull * 24 * 3'600'000;  // of a scheduled task, and of a deadline
inline constexpr std::uint64_t kMaxOpenTasks = 200'000;                // pending and running, in all
inline constexpr std::uint64_t kMaxReadyTrials = 10'000'000;           // of one priority, in all
inline constexpr std::uint64_t kMaxArtifactBytes = 64ull << 30;

// Queue
inline constexpr std::chrono::milliseconds kLease = 15s;
inline constexpr std::chrono::milliseconds kHeartbeat = 500ms;  // a worker; renews all its leases
inline constexpr std::uint32_t kHeartbeatsInSecond = 1000;      // of a broker's workers: with more, each sends fewer
inline constexpr std::chrono::milliseconds kRareHeartbeat = 1500ms;  // but not fewer: a death is noticed within two
inline constexpr std::chrono::milliseconds kSweep = 100ms;   // expired leases, due retries

}  // namespace ns::limits
