// Messages to bytes and back: header, MessagePack body, and the checks that nothing from a peer escapes.
//
//   frames  := header body [attachment]
//   header  := 'N' 'S' major:u8 minor:u8 type:u16 flags:u16 request:u64        (16 bytes, little endian, flags = 0)
//   body    := MessagePack map of the message's fields
//
// Whatever is wrong with bytes from a peer is thrown as Error(invalid) (Error(unsupported) for another protocol major)
// that names the message and, where there is one, the field. Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/messages.h"

// Every message once: X(name in MessageType, struct).
#define NS_MESSAGES(X)                         \
  X(error, ErrorReply)                         \
  X(ok, Ok)                                    \
  X(submit_task, SubmitTask)                   \
  X(task_accepted, TaskAccepted)               \
  X(get_task, GetTask)                         \
  X(task_info, TaskInfo)                       \
  X(list_tasks, ListTasks)                     \
  X(task_list, TaskList)                       \
  X(cancel_task, CancelTask)                   \
  X(read_events, ReadEvents)                   \
  X(events, Events)                            \
  X(get_trials, GetTrials)                     \
  X(trial_list, TrialList)                     \
  X(list_workers, ListWorkers)                 \
  X(worker_list, WorkerList)                   \
  X(get_queue, GetQueue)                       \
  X(queue_info, QueueInfo)                     \
  X(ping, Ping)                                \
  X(pong, Pong)                                \
  X(stat_artifact, StatArtifact)               \
  X(artifact_info, ArtifactInfo)               \
  X(put_artifact, PutArtifact)                 \
  X(get_artifact, GetArtifact)                 \
  X(artifact_chunk, ArtifactChunk)             \
  X(hello, Hello)                              \
  X(welcome, Welcome)                          \
  X(pull, Pull)                                \
  X(jobs, Jobs)                                \
  X(heartbeat, Heartbeat)                      \
  X(heartbeat_reply, HeartbeatReply)           \
  X(report_results, ReportResults)             \
  X(results_acknowledged, ResultsAcknowledged) \
  X(report_metrics, ReportMetrics)             \
  X(stop_job, StopJob)                         \
  X(goodbye, Goodbye)                          \
  X(drain, Drain)                              \
  X(enqueue_trials, EnqueueTrials)             \
  X(trials_enqueued, TrialsEnqueued)           \
  X(stop_trial, StopTrial)                     \
  X(append_event, AppendEvent)                 \
  X(list_dead, ListDead)                       \
  X(dead_list, DeadList)                       \
  X(requeue_dead, RequeueDead)                 \
  X(purge_dead, PurgeDead)                     \
  X(dead_changed, DeadChanged)                 \
  X(drain_worker, DrainWorker)

namespace ns::wire {

using Frames = std::vector<std::string>;

inline constexpr std::size_t kHeaderBytes = 16;

// The number of a message struct.
template <typename Message>
inline constexpr MessageType kTypeOf = MessageType{0};
#define NS_TYPE_OF(name, Struct) \
  template <>                    \
  inline constexpr MessageType kTypeOf<Struct> = MessageType::name;
NS_MESSAGES(NS_TYPE_OF)
#undef NS_TYPE_OF

// "submit_task"; "unknown" for a number that is none of ours.
std::string_view name_of(MessageType);

struct Header {
  MessageType type{};
  std::uint64_t request = 0;  // a reply carries its request's number; pushes carry 0
  std::uint8_t minor = kProtocolMinor;
};

std::string encode_header(const Header&);
Header decode_header(std::string_view frame);

template <typename Message>
std::string encode_body(const Message&);

// Bytes to a message whose every text and list is within limits.h.
template <typename Message>
Message decode(std::string_view body);

// [header][body]; append the attachment, if any.
template <typename Message>
Frames encode(std::uint64_t request, const Message& message) {
  Frames frames;  // filled one by one: an initializer list would copy the body
  frames.reserve(3);
  frames.push_back(encode_header({kTypeOf<Message>, request}));
  frames.push_back(encode_body(message));
  return frames;
}

// Limits of every message (check.cpp), applied by decode; a sender may ask before it sends. Error(invalid) or
// Error(too_large) names the field.
#define NS_CHECK(name, Struct) void check(const Struct&);
NS_MESSAGES(NS_CHECK)
#undef NS_CHECK

#define NS_EXTERN(name, Struct)                           \
  extern template std::string encode_body(const Struct&); \
  extern template Struct decode<Struct>(std::string_view);
NS_MESSAGES(NS_EXTERN)
#undef NS_EXTERN

}  // namespace ns::wire
