#include "worker/broker_link.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "common/net/socket.h"
#include "common/wire.h"
#include "tests/support/other_minor.h"
#include "tests/worker/workbench.h"
#include "worker/runner/progress.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

const TaskId kTask{"01ARZ3NDEKTSV4RRFFQ69G5FAV"};

wire::Frames as_ours(wire::Frames frames) { return frames; }

// A broker that says only what the test tells it to, in its own minor version of the protocol.
class ScriptedBroker {
 public:
  explicit ScriptedBroker(const std::string& endpoint) : router_(context_, {endpoint}) {}

  void read() {
    while (auto incoming = router_.receive()) {
      peer_ = incoming->peer;
      received_.push_back(std::move(incoming->frames));
    }
  }
  // The oldest message of this type that was not taken yet; `request` gets its number.
  template <typename Message>
  std::optional<Message> take(std::uint64_t* request = nullptr) {
    for (auto frames = received_.begin(); frames != received_.end(); ++frames) {
      const wire::Header header = wire::decode_header(frames->at(0));
      if (header.type != wire::kTypeOf<Message>) continue;
      if (request != nullptr) *request = header.request;
      Message message = wire::decode<Message>(frames->at(1));
      received_.erase(frames);
      return message;
    }
    return std::nullopt;
  }
  template <typename Message>
  void send(std::uint64_t request, const Message& message) {
    router_.send(peer_, translate(wire::encode(request, message)));
  }
  void send_frames(wire::Frames frames) { router_.send(peer_, std::move(frames)); }

  wire::Frames (*translate)(wire::Frames) = as_ours;

 private:
  net::Context context_;
  net::Router router_;
  net::Peer peer_;
  std::vector<wire::Frames> received_;
};

class BrokerLinkTest : public testing::Test {
 protected:
  std::string endpoint(const std::string& name) const { return "ipc://" + (folder_.path / name).string(); }
  ScriptedBroker& broker(const std::string& name) { return brokers_.try_emplace(name, endpoint(name)).first->second; }
  void connect(const std::vector<std::string>& names) {
    std::vector<std::string> endpoints;
    for (const std::string& name : names) endpoints.push_back(endpoint(name));
    Hello hello;
    hello.worker = {"worker"};
    hello.kinds = {"nothing"};
    BrokerLink::Callbacks callbacks;
    callbacks.welcomed = [this] { ++welcomed_; };
    callbacks.jobs = [this](std::vector<LeasedJob> jobs) {
      for (const LeasedJob& leased : jobs) held_.push_back({leased.job.job, leased.job.token});
    };
    callbacks.stop = [this](const JobId&, std::uint64_t token, Outcome) { stopped_ = token; };
    callbacks.lost = [this](const JobId& job, std::uint64_t) {
      std::erase_if(held_, [&](const HeldJob& held) { return held.job == job; });
    };
    callbacks.drain = [this] { drained_ = true; };
    callbacks.load = [this] {
      Heartbeat heartbeat;
      heartbeat.jobs = held_;
      return heartbeat;
    };
    callbacks.trust_until = [this](std::chrono::nanoseconds until) { trusted_until_ = until; };
    link_.emplace(loop_, endpoints, net::PeerKeys{}, hello, std::move(callbacks));
  }
  void turn_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;  // a hang, not a measurement
    bool reached = done();                                         // asked once a turn: it may take a message
    while (!reached && std::chrono::steady_clock::now() < deadline) {
      loop_.turn(10ms);
      link_->flush();
      for (auto& [name, broker] : brokers_) {
        broker.read();
        if (answers_heartbeats_) answer_heartbeats(broker);
      }
      reached = done();
    }
    ASSERT_TRUE(reached);
  }
  static void answer_heartbeats(ScriptedBroker& broker) {
    std::uint64_t request = 0;
    while (broker.take<Heartbeat>(&request)) broker.send(request, HeartbeatReply{});
  }
  template <typename Message>
  Message wait_for(const std::string& name, std::uint64_t* request = nullptr) {
    std::optional<Message> message;
    turn_until([&] { return (message = broker(name).template take<Message>(request)).has_value(); });
    return message.value_or(Message{});
  }
  void welcome(const std::string& name, std::uint64_t session, std::uint32_t lease_ms = 60'000) {
    std::uint64_t request = 0;
    wait_for<Hello>(name, &request);
    Welcome welcome;
    welcome.session = session;
    welcome.lease_ms = lease_ms;
    welcome.heartbeat_ms = 50;
    broker(name).send(request, welcome);
    const int before = welcomed_;
    turn_until([&] { return welcomed_ > before; });
  }
  static Jobs jobs(std::uint64_t session, std::uint32_t number) {
    Job job;
    job.task = kTask;
    job.job = trial_job_id(kTask, number);
    job.token = 5;
    job.spec = "{}";
    return {session, {job}, {}};
  }
  static JobResult result(std::uint32_t number) {
    JobResult one;
    one.job = trial_job_id(kTask, number);
    return one;
  }
  // Welcome, a job, a stop, and its end, acknowledged.
  void live_a_life() {
    answers_heartbeats_ = true;
    welcome("a", 7);
    broker("a").send(0, jobs(7, 1));
    turn_until([&] { return held_.size() == 1; });
    EXPECT_EQ(held_[0].token, 5u);
    broker("a").send(0, StopJob{trial_job_id(kTask, 1), 5, Outcome::cancelled});
    turn_until([&] { return stopped_ == 5; });
    link_->report(result(1));
    std::uint64_t request = 0;
    wait_for<ReportResults>("a", &request);
    broker("a").send(request, ResultsAcknowledged{{{trial_job_id(kTask, 1), 5, CommitStatus::committed}}});
    turn_until([&] { return link_->all_acknowledged(); });
  }
  bool trusted() const { return boot_time() < trusted_until_; }

  TemporaryFolder folder_;
  net::PollLoop loop_;
  std::map<std::string, ScriptedBroker> brokers_;
  std::optional<BrokerLink> link_;
  std::vector<HeldJob> held_;
  int welcomed_ = 0;
  std::uint64_t stopped_ = 0;  // token
  bool drained_ = false;
  bool answers_heartbeats_ = false;  // by itself; a broker that does not is left after a while
  std::chrono::nanoseconds trusted_until_{0};
};

TEST_F(BrokerLinkTest, results_of_one_turn_travel_together_until_they_are_acknowledged) {
  answers_heartbeats_ = true;
  connect({"a"});
  welcome("a", 1);
  for (std::uint32_t number = 0; number < 3; ++number) link_->report(result(number));
  EXPECT_EQ(wait_for<ReportResults>("a").results.size(), 3u);
  std::uint64_t request = 0;
  EXPECT_EQ(wait_for<ReportResults>("a", &request).results.size(), 3u) << "again, as nothing came back";
  EXPECT_FALSE(link_->all_acknowledged());
  ResultsAcknowledged acknowledged;
  for (std::uint32_t number = 0; number < 3; ++number)
    acknowledged.results.push_back({trial_job_id(kTask, number), 0, CommitStatus::committed});
  broker("a").send(request, acknowledged);
  turn_until([&] { return link_->all_acknowledged(); });
}

TEST_F(BrokerLinkTest, another_endpoint_is_tried_when_the_first_has_no_broker) {
  broker("b");
  connect({"a", "b", "c"});
  welcome("b", 1);
  wait_for<Heartbeat>("b");
}

TEST_F(BrokerLinkTest, the_first_endpoint_still_counts_while_others_are_tried) {
  connect({"a", "b"});
  broker("b");
  wait_for<Hello>("b");
  welcome("a", 1);  // it comes up late; the hello waited for it
  wait_for<Heartbeat>("a");
}

TEST_F(BrokerLinkTest, a_silent_broker_is_left_for_another_which_gets_what_was_not_acknowledged) {
  broker("b");
  connect({"a", "b"});
  welcome("a", 1);
  link_->report(result(1));
  wait_for<ReportResults>("a");
  welcome("b", 2);
  EXPECT_EQ(wait_for<ReportResults>("b").results.size(), 1u);
  EXPECT_EQ(wait_for<Heartbeat>("b").session, 2u);
}

TEST_F(BrokerLinkTest, a_broker_that_forgot_the_session_is_told_hello_again) {
  connect({"a"});
  welcome("a", 1);
  std::uint64_t request = 0;
  wait_for<Heartbeat>("a", &request);
  broker("a").send(request, ErrorReply{"unknown_peer", "say hello again", "session", 0});
  welcome("a", 2);
  while (wait_for<Heartbeat>("a").session != 2) {
  }
}

TEST_F(BrokerLinkTest, credits_are_granted_once_a_turn_and_only_when_there_are_more) {
  answers_heartbeats_ = true;
  connect({"a"});
  welcome("a", 1);
  link_->offer({3, 1});
  Pull pull = wait_for<Pull>("a");
  while (pull.compute_credits == 0) pull = wait_for<Pull>("a");
  EXPECT_EQ(pull.compute_credits, 3u);
  EXPECT_EQ(pull.control_credits, 1u);
  broker("a").send(0, jobs(1, 7));
  turn_until([&] { return held_.size() == 1; });
  link_->offer({3, 1});  // one more has become free
  while (pull.compute_credits == 3) pull = wait_for<Pull>("a");
  EXPECT_EQ(pull.compute_credits, 4u);
}

TEST_F(BrokerLinkTest, a_worker_that_holds_nothing_trusts_from_its_hello_on) {
  connect({"a"});
  welcome("a", 1);
  EXPECT_TRUE(trusted());
}

// As after a stop of this process, in which leases may have ended that nobody told us of.
TEST_F(BrokerLinkTest, trust_that_has_run_out_comes_back_with_the_answer_to_a_heartbeat_that_lists_everything) {
  connect({"a"});
  welcome("a", 1, 100);
  turn_until([&] { return !trusted(); });
  while (broker("a").take<Heartbeat>()) {
  }
  std::uint64_t before = 0, after = 0;
  EXPECT_TRUE(wait_for<Heartbeat>("a", &before).jobs.empty());
  broker("a").send(0, jobs(1, 7));
  turn_until([&] { return held_.size() == 1; });
  broker("a").send(before, HeartbeatReply{});
  // The answer to a heartbeat that did not list the job gives no trust, but makes another heartbeat go out.
  Heartbeat listing = wait_for<Heartbeat>("a", &after);
  while (listing.jobs.empty()) listing = wait_for<Heartbeat>("a", &after);
  const auto trusted_before = trusted_until_;
  EXPECT_FALSE(trusted());
  HeartbeatReply lost;
  lost.lost = {trial_job_id(kTask, 7)};
  broker("a").send(after, lost);
  turn_until([&] { return trusted_until_ > trusted_before; });
  EXPECT_TRUE(held_.empty());
}

TEST_F(BrokerLinkTest, jobs_of_an_earlier_session_are_taken_but_not_trusted) {
  connect({"a"});
  welcome("a", 2);
  ASSERT_TRUE(trusted());
  broker("a").send(0, jobs(1, 7));
  turn_until([&] { return held_.size() == 1; });
  EXPECT_FALSE(trusted());
  std::uint64_t request = 0;
  while (wait_for<Heartbeat>("a", &request).jobs.empty()) {
  }
  broker("a").send(request, HeartbeatReply{});
  turn_until([&] { return trusted(); });
}

TEST_F(BrokerLinkTest, more_leases_than_a_list_holds_are_spread_over_heartbeats) {
  connect({"a"});
  for (std::uint32_t number = 0; number < 1500; ++number) held_.push_back({trial_job_id(kTask, number), 1});
  welcome("a", 1);
  EXPECT_FALSE(trusted());
  std::uint64_t first = 0, second = 0;
  EXPECT_EQ(wait_for<Heartbeat>("a", &first).jobs.size(), 1024u);
  EXPECT_EQ(wait_for<Heartbeat>("a", &second).jobs.size(), 476u);
  broker("a").send(second, HeartbeatReply{});
  HeartbeatReply lost;
  lost.lost = {trial_job_id(kTask, 0)};
  broker("a").send(first, lost);
  turn_until([&] { return trusted(); });
  EXPECT_EQ(held_.size(), 1499u);
}

TEST_F(BrokerLinkTest, the_next_heartbeat_comes_when_the_broker_expects_it) {
  connect({"a"});
  std::uint64_t request = 0;
  wait_for<Hello>("a", &request);
  Welcome welcome;
  welcome.session = 1;
  welcome.lease_ms = welcome.heartbeat_ms = 600'000;
  broker("a").send(request, welcome);
  wait_for<Heartbeat>("a", &request);
  HeartbeatReply sooner;
  sooner.next_in_ms = 50;
  broker("a").send(request, sooner);
  wait_for<Heartbeat>("a", &request);
}

TEST_F(BrokerLinkTest, a_drain_of_this_session_is_passed_on) {
  answers_heartbeats_ = true;
  connect({"a"});
  welcome("a", 2);
  broker("a").send(0, Drain{1});
  broker("a").send(0, jobs(2, 7));
  turn_until([&] { return !held_.empty(); });
  EXPECT_FALSE(drained_);
  broker("a").send(0, Drain{2});
  turn_until([&] { return drained_; });
}

TEST_F(BrokerLinkTest, works_with_a_broker_one_minor_version_later) {
  connect({"a"});
  broker("a").translate = test::as_next_minor;
  live_a_life();
  broker("a").send_frames(test::message_of_next_minor(0));
  broker("a").send(0, Drain{7});
  turn_until([&] { return drained_; });  // and what came before it was no trouble
}

TEST_F(BrokerLinkTest, works_with_a_broker_one_minor_version_earlier) {
  connect({"a"});
  broker("a").translate = test::as_previous_minor;
  live_a_life();
}

}  // namespace
}  // namespace ns::worker
