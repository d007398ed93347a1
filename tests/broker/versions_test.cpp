// Peers one minor version of the protocol before and after the broker's do all of their work with it.
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "tests/broker/peers.h"
#include "tests/support/other_minor.h"
#include "tests/support/processes.h"

namespace ns::test {
namespace {

using Translate = std::function<wire::Frames(wire::Frames)>;

class VersionsTest : public ::testing::Test {
 protected:
  VersionsTest() : redis_(folder_.path()), broker_(folder_.path(), redis_.address()) {}

  // Sends as the other version would, reads as ours does.
  class Peer {
   public:
    Peer(const std::string& endpoint, Translate translate) : requester_(endpoint), translate_(std::move(translate)) {}
    template <typename Message>
    std::uint64_t send(const Message& message) {
      requester_.send_raw(translate_(wire::encode(++last_, message)));
      return last_;
    }
    template <typename Reply, typename Message>
    Reply call(const Message& message) {
      return requester_.receive<Reply>(send(message));
    }
    Requester& requester() { return requester_; }

   private:
    Requester requester_;
    Translate translate_;
    std::uint64_t last_ = 1000;
  };

  // Everything that a task needs, from hello to goodbye.
  void live_a_life(Peer& client, Peer& worker) {
    Hello hello;
    hello.worker = {"w1"};
    hello.kinds = {"quantize"};
    hello.compute_slots = hello.control_slots = 1;
    const Welcome welcome = worker.call<Welcome>(hello);
    const SubmitTask submission = make_submission();
    client.call<TaskAccepted>(submission);
    worker.send(Pull{hello.worker, welcome.session, 1, 1});
    const Job coordinator = worker.requester().receive<Jobs>().jobs.at(0);
    EXPECT_EQ(worker.call<TrialsEnqueued>(make_trials(coordinator, 0, 1)).added, 1u);
    const Job trial = worker.requester().receive<Jobs>().jobs.at(0);
    const std::vector<HeldJob> held{{coordinator.job, coordinator.token}, {trial.job, trial.token}};
    EXPECT_TRUE(worker.call<HeartbeatReply>(Heartbeat{hello.worker, welcome.session, 1, 1, held}).lost.empty());
    worker.send(ReportMetrics{hello.worker, {{trial.job, trial.token, 0, R"({"x":1})"}}});
    worker.call<Ok>(AppendEvent{coordinator.task, coordinator.token, "note.x", "{}"});
    for (const Job& job : {trial, coordinator}) {
      const ReportResults report{hello.worker, {{job.job, job.token, Outcome::succeeded, "{}", ""}}};
      EXPECT_EQ(worker.call<ResultsAcknowledged>(report).results.at(0).status, CommitStatus::committed);
    }
    worker.call<Ok>(Goodbye{hello.worker, welcome.session});
    EXPECT_EQ(client.call<TaskInfo>(GetTask{submission.task}).state, TaskState::done);
    EXPECT_TRUE(client.call<Events>(ReadEvents{submission.task, "0", 100, 0, {}}).ended);
    EXPECT_EQ(client.call<TrialList>(GetTrials{submission.task, 0, 10}).total, 1u);
  }

  TempFolder folder_;
  RedisServer redis_;
  BrokerProcess broker_;
};

TEST_F(VersionsTest, one_minor_version_later_works) {
  Peer client(broker_.endpoint(), as_next_minor), worker(broker_.endpoint(), as_next_minor);
  live_a_life(client, worker);
}

TEST_F(VersionsTest, one_minor_version_earlier_works) {
  Peer client(broker_.endpoint(), as_previous_minor), worker(broker_.endpoint(), as_previous_minor);
  live_a_life(client, worker);
}

TEST_F(VersionsTest, a_request_that_only_the_later_version_has_is_unsupported_and_nothing_else_happens) {
  Requester peer(broker_.endpoint());
  peer.send_raw(message_of_next_minor(77));
  EXPECT_EQ(peer.receive_error(77).code, "unsupported");
  peer.call<Pong>(Ping{});
}

TEST_F(VersionsTest, a_session_tells_both_sides_the_others_version) {
  Requester worker(broker_.endpoint());
  Hello hello;
  hello.worker = {"w1"};
  hello.kinds = {"quantize"};
  EXPECT_EQ(worker.call<Welcome>(hello).protocol_minor, kProtocolMinor);
}

}  // namespace
}  // namespace ns::test
