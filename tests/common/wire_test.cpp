#include "common/wire.h"

#include <gtest/gtest.h>

#include <random>

#include "common/error.h"
#include "common/limits.h"

namespace ns {
namespace {

// ---- a filled message of each kind, valid by its check

const TaskId kTask{"01ARZ3NDEKTSV4RRFFQ69G5FAV"};
const JobId kJob{"01ARZ3NDEKTSV4RRFFQ69G5FAV/7"};
const ArtifactId kArtifact{"sha256:" + std::string(64, 'a')};
const WorkerId kWorker{"host-1-abc"};

template <typename Message>
Message sample() {
  return {};
}
template <>
SubmitTask sample() {
  return {kTask, "quantize", "{}", "a name", 2, 3, 4, 5};
}
template <>
TaskAccepted sample() {
  return {kTask, true};
}
template <>
GetTask sample() {
  return {kTask};
}
template <>
TaskInfo sample() {
  TaskInfo task;
  task.task = kTask;
  task.state = TaskState::failed;
  task.trials_failed = 12;
  task.error = "no";
  return task;
}
template <>
TaskList sample() {
  return {{sample<TaskInfo>(), sample<TaskInfo>()}, 99};
}
template <>
CancelTask sample() {
  return {kTask};
}
template <>
ReadEvents sample() {
  return {kTask, "17-3", 5, 6};
}
template <>
Events sample() {
  return {{{"1-0", "trial.started", 5, 6, 7, "w", "{}"}}, true};
}
template <>
GetTrials sample() {
  return {kTask, 3, 4};
}
template <>
TrialList sample() {
  return {{{1, TrialState::early_stopped, "{}", "r", "e", 2, "w", 3, 4, 5}}, 6};
}
template <>
QueueInfo sample() {
  return {{{JobKind::task, 2, 3}},
          4,
          5,
          {{kJob, kWorker, 6, 7, -8, 9}},
          9,
          {{kJob, 10, {"a", "b"}}},
          {{"k@default", 1, 2, 3}},
          {{"leased", 4, 5}},
          6};
}
template <>
StatArtifact sample() {
  return {kArtifact};
}
template <>
ArtifactInfo sample() {
  return {kArtifact, true, 1ull << 40};
}
template <>
PutArtifact sample() {
  return {kArtifact, 100, 10, "abc"};
}
template <>
GetArtifact sample() {
  return {kArtifact, 1, 2};
}
template <>
ArtifactChunk sample() {
  return {kArtifact, 1, 2};
}
template <>
Hello sample() {
  return {kWorker, "host", 1, "0-3", {"avx2"}, {"quantize", "experiment"}, 2, 3, "0.1", "night", {"fast"}, 5};
}
template <>
Pull sample() {
  return {kWorker, 1, 2, 3};
}
template <>
Jobs sample() {
  return {4, {{kJob, JobKind::trial, kTask, "quantize", 7, 1, 2, "{}", "", 3, 4}}, {{kTask, "{}"}}};
}
template <>
Heartbeat sample() {
  return {kWorker, 1, 2, 3, {{kJob, 4}}};
}
template <>
HeartbeatReply sample() {
  return {{kJob}, {}, {kJob}};
}
template <>
ReportResults sample() {
  return {kWorker, {{kJob, 1, Outcome::crashed, "", "signal 11"}}};
}
template <>
ResultsAcknowledged sample() {
  return {{{kJob, 1, CommitStatus::dead_lettered}}};
}
template <>
ReportMetrics sample() {
  return {kWorker, {{kJob, 1, 2, "{}"}}};
}
template <>
StopJob sample() {
  return {kJob, 1, Outcome::early_stopped};
}
template <>
Goodbye sample() {
  return {kWorker, 1};
}
template <>
Drain sample() {
  return {1};
}
template <>
EnqueueTrials sample() {
  return {kTask, 1, {{2, "{}", 3, 4}}};
}
template <>
StopTrial sample() {
  return {kTask, 1, 2};
}
template <>
AppendEvent sample() {
  return {kTask, 1, "task.best", "{}"};
}
template <>
DeadList sample() {
  return {{{kJob, 10, {"a", "b"}}}, 11, 12};
}
template <>
RequeueDead sample() {
  return {{kJob}};
}
template <>
PurgeDead sample() {
  return {{kJob}};
}
template <>
DeadChanged sample() {
  return {{{kJob, false, "its task has ended"}}};
}
template <>
DrainWorker sample() {
  return {kWorker};
}

template <typename Message>
class EveryMessage : public ::testing::Test {};

#define NS_LIST(name, Struct) Struct,
using AllMessages = ::testing::Types<NS_MESSAGES(NS_LIST) Ok>;
#undef NS_LIST
TYPED_TEST_SUITE(EveryMessage, AllMessages);

TYPED_TEST(EveryMessage, comes_back_as_it_went) {
  const TypeParam message = sample<TypeParam>();
  const wire::Frames frames = wire::encode(42, message);
  ASSERT_EQ(frames.size(), 2u);
  const wire::Header header = wire::decode_header(frames[0]);
  EXPECT_EQ(header.type, wire::kTypeOf<TypeParam>);
  EXPECT_EQ(header.request, 42u);
  EXPECT_NE(wire::name_of(header.type), "unknown");
  // Fields have no comparison of their own; their bytes do.
  EXPECT_EQ(wire::encode_body(wire::decode<TypeParam>(frames[1])), frames[1]);
}

TYPED_TEST(EveryMessage, survives_cut_changed_and_random_bytes) {
  const std::string body = wire::encode_body(sample<TypeParam>());
  const auto try_it = [](const std::string& bytes) {
    try {
      wire::decode<TypeParam>(bytes);
    } catch (const Error&) {  // anything else fails the test
    }
  };
  for (std::size_t length = 0; length < body.size(); ++length) {
    EXPECT_THROW(wire::decode<TypeParam>(body.substr(0, length)), Error);
  }
  EXPECT_THROW(wire::decode<TypeParam>(body + '\0'), Error) << "trailing bytes";
  std::mt19937 random(1978);
  for (int i = 0; i < 300; ++i) {
    std::string changed = body;
    changed[random() % changed.size()] = static_cast<char>(random());
    try_it(changed);
    std::string noise(random() % 64, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    try_it(noise);
  }
}

template <typename Message>
Error refusal(const std::string& body) {
  try {
    wire::decode<Message>(body);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::internal, "it was accepted");
}

TEST(Wire, a_wrong_type_names_message_and_field) {
  // {"task": 5}
  const Error error = refusal<GetTask>(std::string("\x81\xa4task\x05"));
  EXPECT_EQ(error.code(), ErrorCode::invalid);
  EXPECT_EQ(error.field(), "task");
  EXPECT_NE(std::string(error.what()).find("get_task.task"), std::string::npos);
}

TEST(Wire, an_unknown_word_lists_the_known_ones) {
  // {"outcome": "won"}
  const Error error = refusal<StopJob>(std::string("\x81\xa7outcome\xa3won"));
  EXPECT_EQ(error.field(), "outcome");
  EXPECT_NE(std::string(error.what()).find("early_stopped"), std::string::npos);
}

TEST(Wire, unknown_fields_are_ignored) {
  // {"later": 1}
  EXPECT_NO_THROW(wire::decode<Ping>(std::string("\x81\xa5later\x01")));
}

TEST(Wire, lists_longer_than_a_batch_are_refused) {
  ReportResults report = sample<ReportResults>();
  report.results.assign(limits::kMaxBatch + 1, report.results[0]);
  EXPECT_EQ(refusal<ReportResults>(wire::encode_body(report)).code(), ErrorCode::invalid);
}

TEST(Wire, deep_nesting_is_refused) {
  std::string body = "\x81\xa1x";
  body.append(100'000, '\x91');
  body.push_back('\x01');
  EXPECT_EQ(refusal<Ping>(body).code(), ErrorCode::invalid);
}

TEST(Wire, a_list_that_claims_more_than_it_has_is_refused) {
  EXPECT_EQ(refusal<Jobs>(std::string("\x81\xa4jobs\xdd\xff\xff\xff\xff", 11)).code(), ErrorCode::invalid);
}

TEST(Wire, a_body_that_is_not_a_map_is_refused) {
  EXPECT_EQ(refusal<Ping>(std::string("\x01")).code(), ErrorCode::invalid);
  EXPECT_EQ(refusal<Ping>("").code(), ErrorCode::invalid);
}

TEST(Wire, a_spec_over_its_limit_is_too_large) {
  SubmitTask submit = sample<SubmitTask>();
  submit.spec.assign(limits::kMaxSpecBytes + 1, ' ');
  const Error error = refusal<SubmitTask>(wire::encode_body(submit));
  EXPECT_EQ(error.code(), ErrorCode::too_large);
  EXPECT_EQ(error.field(), "spec");
}

TEST(Wire, a_pool_and_tags_are_words) {
  Hello hello = sample<Hello>();
  hello.pool = "a pool";
  EXPECT_EQ(refusal<Hello>(wire::encode_body(hello)).field(), "pool");
  hello = sample<Hello>();
  hello.tags = {"good", "Not,so"};
  EXPECT_EQ(refusal<Hello>(wire::encode_body(hello)).field(), "tags");
  hello.tags.assign(65, "tag");
  EXPECT_EQ(refusal<Hello>(wire::encode_body(hello)).field(), "tags");
  hello.tags.assign(64, "tag");
  EXPECT_NO_THROW(wire::decode<Hello>(wire::encode_body(hello)));
}

TEST(Wire, a_worker_that_names_no_pool_is_in_the_default_one) {
  // {"worker": "w", "kinds": ["k"]}
  EXPECT_EQ(wire::decode<Hello>(std::string("\x82\xa6worker\xa1w\xa5kinds\x91\xa1k")).pool, "default");
}

TEST(Wire, a_coordinator_cannot_write_the_queues_own_events) {
  AppendEvent append = sample<AppendEvent>();
  append.type = "task.done";
  EXPECT_EQ(refusal<AppendEvent>(wire::encode_body(append)).field(), "type");
}

TEST(Wire, the_header_is_as_the_protocol_document_says) {
  const std::string header = wire::encode_header({MessageType::ping, 1});
  EXPECT_EQ(header, std::string("NS\x01\x01\x19\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00", 16));
  EXPECT_EQ(wire::encode_body(Ping{}), "\x80");
}

TEST(Wire, wrong_headers_are_refused) {
  const std::string good = wire::encode_header({MessageType::ping, 1});
  const auto code_of = [](const std::string& header) {
    try {
      wire::decode_header(header);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::internal;
  };
  EXPECT_EQ(code_of(good.substr(1)), ErrorCode::invalid);
  EXPECT_EQ(code_of("XS" + good.substr(2)), ErrorCode::invalid);
  std::string changed = good;
  changed[2] = 2;
  EXPECT_EQ(code_of(changed), ErrorCode::unsupported);
  changed = good;
  changed[6] = 1;
  EXPECT_EQ(code_of(changed), ErrorCode::invalid);
  changed = good;
  changed[3] = 9;  // a newer minor number is fine
  EXPECT_EQ(wire::decode_header(changed).minor, 9);
}

}  // namespace
}  // namespace ns
