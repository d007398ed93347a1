// A worker's side of the protocol against a broker of the test's own, on one loop.
#include "worker/broker_link.h"

#include <gtest/gtest.h>

#include <optional>

#include "common/clock.h"
#include "tests/support/other_minor.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;
using Translate = wire::Frames (*)(wire::Frames);

class BrokerLinkTest : public ::testing::Test {
 protected:
  BrokerLinkTest() {
    loop_.watch(router_, [this] {
      while (auto incoming = router_.receive()) last_ = std::move(incoming);
    });
    Hello hello;
    hello.worker = {"w1"};
    hello.kinds = {"k"};
    BrokerLink::Callbacks callbacks;
    callbacks.welcomed = [this] { welcomed_ = true; };
    callbacks.jobs = [this](std::vector<Job> jobs) { jobs_ = std::move(jobs); };
    callbacks.stop = [this](const JobId&, std::uint64_t token, Outcome) { stopped_ = token; };
    callbacks.lost = [](const JobId&, std::uint64_t) {};
    callbacks.running = [] { return std::vector<HeldJob>{}; };
    link_.emplace(loop_, router_.endpoints(), net::PeerKeys{}, hello, std::move(callbacks));
  }
  ~BrokerLinkTest() override { loop_.unwatch(router_); }

  template <typename Condition>
  void turn_until(Condition condition) {
    const auto deadline = steady_clock().now() + 30s;
    while (!condition()) {
      loop_.turn(100ms);
      if (steady_clock().now() > deadline) throw std::runtime_error("waited in vain");
    }
  }
  template <typename Message>
  void send(const Message& message, Translate translate, std::uint64_t number = 0) {
    ASSERT_TRUE(router_.send(last_->peer, translate(wire::encode(number, message))));
  }

  // Hello, welcome, a job and its end, in the broker's version of the protocol.
  void live_a_life(Translate translate) {
    turn_until([&] { return last_.has_value(); });
    Welcome welcome;
    welcome.broker = "b";
    welcome.session = 7;
    welcome.heartbeat_ms = 1000;
    send(welcome, translate, wire::decode_header(last_->frames[0]).request);
    turn_until([&] { return welcomed_; });
    Jobs jobs{7, {{}}};
    jobs.jobs[0].task = make_task_id();
    jobs.jobs[0].job = {jobs.jobs[0].task.text + "/0"};
    jobs.jobs[0].token = 5;
    send(jobs, translate);
    turn_until([&] { return !jobs_.empty(); });
    EXPECT_EQ(jobs_[0].token, 5u);
    send(StopJob{jobs_[0].job, 5, Outcome::cancelled}, translate);
    turn_until([&] { return stopped_ == 5; });
    link_->report(JobResult{jobs_[0].job, 5, Outcome::cancelled, "", ""});
    const auto is_report = [&] { return wire::decode_header(last_->frames[0]).type == MessageType::report_results; };
    turn_until(is_report);
    send(ResultsAcknowledged{{{jobs_[0].job, 5, CommitStatus::committed}}}, translate,
         wire::decode_header(last_->frames[0]).request);
    turn_until([&] { return link_->all_acknowledged(); });
  }

  net::PollLoop loop_;
  net::Context context_;
  net::Router router_{context_, {"tcp://127.0.0.1:*"}};
  std::optional<BrokerLink> link_;
  std::optional<net::Incoming> last_;
  bool welcomed_ = false;
  std::vector<Job> jobs_;
  std::uint64_t stopped_ = 0;
};

TEST_F(BrokerLinkTest, works_with_a_broker_one_minor_version_later) {
  turn_until([&] { return last_.has_value(); });
  ASSERT_TRUE(router_.send(last_->peer, test::message_of_next_minor(0)));
  live_a_life(test::as_next_minor);
}

TEST_F(BrokerLinkTest, works_with_a_broker_one_minor_version_earlier) { live_a_life(test::as_previous_minor); }

}  // namespace
}  // namespace ns::worker
