// What a broker knows of its workers by itself, with a clock of the test's own and no Redis; and how it leases for
// them, with a Redis whose answers are read when the test says so.
#include "broker/worker_sessions.h"

#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "common/net/poll_loop.h"
#include "tests/broker/scripts.h"
#include "tests/support/processes.h"

namespace ns::broker {
namespace {

using namespace std::chrono_literals;

class WorkerSessionsTest : public ::testing::Test {
 protected:
  void begin(const WorkerId& worker, std::uint64_t session) {
    sessions_.begin(worker, session, {kPeer, {}, {}, {}}, "offer");
  }
  bool knows_that_it_rests() { return sessions_.knows({kWorker, 7, 0, 0, {}}); }

  const net::Peer kPeer = "peer";
  const WorkerId kWorker{"w"};
  test::TempFolder folder_;
  ManualClock clock_;
  net::PollLoop loop_;
  net::Context context_;
  net::Router router_{context_, {"ipc://" + (folder_.path() / "broker").string()}};
  store::Client store_{loop_, {"unix:" + (folder_.path() / "nobody").string(), {}, {}}, {}};
  WorkerSessions sessions_{router_, store_, {15s, 500ms}, clock_};
};

TEST_F(WorkerSessionsTest, the_more_workers_there_are_the_rarer_are_their_heartbeats) {
  std::uint64_t count = 0;
  const auto heartbeat_of_one_among = [&](std::uint64_t workers) {
    while (count < workers) begin({"w" + std::to_string(++count)}, 1);
    return sessions_.next_heartbeat_ms({"w1"});
  };
  EXPECT_EQ(heartbeat_of_one_among(1), 500u);
  EXPECT_EQ(heartbeat_of_one_among(500), 500u);
  EXPECT_EQ(heartbeat_of_one_among(800), 800u);
  EXPECT_EQ(heartbeat_of_one_among(2000), 1500u);
  EXPECT_EQ(heartbeat_of_one_among(3000), 1500u);
}

TEST_F(WorkerSessionsTest, a_rest_that_redis_heard_of_is_known_for_a_while) {
  begin(kWorker, 7);
  EXPECT_FALSE(knows_that_it_rests());
  sessions_.note(kWorker, 7, true, clock_.now());
  EXPECT_TRUE(knows_that_it_rests());
  EXPECT_FALSE(sessions_.knows({kWorker, 7, 1, 0, {}})) << "it works";
  EXPECT_FALSE(sessions_.knows({kWorker, 7, 0, 0, {{trial_job_id({std::string(26, '0')}, 1), 1}}})) << "it has a job";
  clock_.advance(2999ms);
  EXPECT_TRUE(knows_that_it_rests());
  EXPECT_FALSE(sessions_.begins_rest_anew(kWorker));
  clock_.advance(1ms);
  EXPECT_TRUE(knows_that_it_rests());
  EXPECT_TRUE(sessions_.begins_rest_anew(kWorker)) << "Redis hears of it again";
  EXPECT_FALSE(sessions_.begins_rest_anew(kWorker)) << "once";
  clock_.advance(6s);
  EXPECT_FALSE(knows_that_it_rests()) << "it was silent for long: Redis may have forgotten it";
}

TEST_F(WorkerSessionsTest, what_may_have_changed_is_not_known_any_more) {
  begin(kWorker, 7);
  sessions_.note(kWorker, 7, true, clock_.now());
  sessions_.doubt_all();
  EXPECT_FALSE(knows_that_it_rests());
  sessions_.note(kWorker, 7, true, clock_.now());
  sessions_.note(kWorker, 7, false, clock_.now());
  EXPECT_FALSE(knows_that_it_rests()) << "Redis heard of a job since";
  sessions_.note(kWorker, 6, true, clock_.now());
  EXPECT_FALSE(knows_that_it_rests()) << "that was another session";
  sessions_.note(kWorker, 7, true, clock_.now());
  begin(kWorker, 7);
  EXPECT_FALSE(knows_that_it_rests()) << "a session begins with nothing known";
}

TEST_F(WorkerSessionsTest, a_newer_session_anywhere_ends_the_one_here) {
  begin(kWorker, 7);
  for (const char* heard : {"w 6", "w 7", "other 9", "w", "", "w x"}) sessions_.hear(heard);
  EXPECT_NO_THROW(sessions_.require(kWorker, 7, kPeer));
  sessions_.hear("w 8");
  EXPECT_THROW(sessions_.require(kWorker, 7, kPeer), Error);
}

class LeasingTest : public ::testing::Test {
 protected:
  LeasingTest() {
    turn_until([&] { return store_.is_ready(); });
    worker_.send({"hello"});
    std::optional<net::Incoming> incoming;
    loop_.watch(router_, [&] { incoming = router_.receive(); });
    turn_until([&] { return incoming.has_value(); });
    sessions_.begin(kWorker, session_, {incoming->peer, {}, {}, {}}, "offer");
  }

  template <typename Condition>
  void turn_until(Condition reached) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!reached() && std::chrono::steady_clock::now() < end) loop_.turn(1s);
    ASSERT_TRUE(reached());
  }
  // What is due leaves for Redis, which answers in the order in which it was asked.
  void flush(bool& answered) {
    answered = false;
    sessions_.flush();
    store_.call("ping", {}, [&](const store::Reply&) { answered = true; });
    store_.flush();
  }

  const WorkerId kWorker{"w"};
  test::Scripts scripts_;
  const std::uint64_t session_ = std::stoull(scripts_.hello(kWorker.text));
  test::TempFolder folder_;
  net::PollLoop loop_;
  net::Context context_;
  const std::string endpoint_ = "ipc://" + (folder_.path() / "broker").string();
  net::Router router_{context_, {endpoint_}};
  net::Dealer worker_{context_, endpoint_};
  store::Client store_{loop_, {scripts_.address(), {}, {}, store::Durability::none, 0}, kDeaf};
  WorkerSessions sessions_{router_, store_, {15s, 500ms}};

 private:
  static inline const store::Client::Listener kDeaf{[] {},
                                                    [] {},
                                                    [](const Error&) {},
                                                    [] {},
                                                    [](std::string_view) {},
                                                    [](std::string_view) {},
                                                    [](std::string_view) {}};
};

TEST_F(LeasingTest, work_that_comes_while_a_lease_call_is_under_way_is_leased_after_it) {
  scripts_.hello("coordinating");
  scripts_.submit();
  const auto coordinator = scripts_.lease_task("coordinating");
  bool answered = false;
  sessions_.grant({kWorker, session_, 1, 0});
  flush(answered);
  // Redis has looked for work, in vain, and its answer is not read yet.
  while (scripts_.field("ns:worker:w", "classes_seen").empty()) std::this_thread::yield();
  scripts_.enqueue(coordinator, 0, 1);
  sessions_.work_came(JobKind::trial, 1);
  turn_until([&] { return answered; });
  flush(answered);
  turn_until([&] { return answered; });
  EXPECT_EQ(scripts_.stored(coordinator.task + "/0").state, "running");
}

}  // namespace
}  // namespace ns::broker
