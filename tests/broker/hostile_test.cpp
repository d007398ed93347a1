// Peers that flood, do not read, or pass for others: the broker stays bounded and serves the rest.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <zmq.hpp>

#include "common/limits.h"
#include "tests/broker/peers.h"
#include "tests/support/processes.h"

namespace ns::test {
namespace {

class HostileTest : public ::testing::Test {
 protected:
  HostileTest() : redis_(folder_.path()) {}
  void start(std::vector<std::string> options = {}) {
    options.insert(options.end(), {"--listen", "tcp://127.0.0.1:*"});
    broker_ = std::make_unique<BrokerProcess>(folder_.path(), redis_.address(), options);
  }

  TempFolder folder_;
  RedisServer redis_;
  std::unique_ptr<BrokerProcess> broker_;
};

// A peer that reads only when it is told to: what it is sent stays with the broker.
class Unreading {
 public:
  explicit Unreading(const std::string& endpoint) : socket_(context_, zmq::socket_type::dealer) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.set(zmq::sockopt::rcvhwm, 1);
    socket_.set(zmq::sockopt::rcvbuf, 64 << 10);
    socket_.connect(endpoint);
  }
  template <typename Message>
  void send(const Message& message) {
    wire::Frames frames = wire::encode(++last_, message);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      socket_.send(zmq::buffer(frames[i]), i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
    }
  }
  template <typename Message>
  Message receive() {
    for (;;) {
      zmq::message_t header, body;
      if (!socket_.recv(header) || !header.more() || !socket_.recv(body)) throw std::runtime_error("no message");
      if (wire::decode_header(header.to_string_view()).type == wire::kTypeOf<Message>) {
        return wire::decode<Message>(body.to_string_view());
      }
    }
  }

 private:
  zmq::context_t context_;
  zmq::socket_t socket_;
  std::uint64_t last_ = 0;
};

TEST_F(HostileTest, a_connection_beyond_its_unanswered_requests_is_told_to_wait) {
  start();
  Requester greedy(broker_->endpoint());
  const SubmitTask submission = make_submission();
  greedy.call<TaskAccepted>(submission);
  const std::string seen = greedy.call<Events>(ReadEvents{submission.task, "0", 100, 0, {}}).events.back().id;
  // Long polls are under way until their wait ends.
  constexpr int kMost = 1024;
  for (int i = 0; i < kMost; ++i) greedy.send(ReadEvents{submission.task, seen, 10, 60'000, {}});
  const ErrorReply refusal = greedy.refused(Ping{});
  EXPECT_EQ(refusal.code, "overloaded");
  EXPECT_GT(refusal.retry_after_ms, 0u);
  Requester other(broker_->endpoint());
  other.call<Pong>(Ping{});
  // All of them are answered by the event they waited for, and then the connection is as good as any.
  other.call<Ok>(CancelTask{submission.task});
  for (int i = 0; i < kMost; ++i) EXPECT_TRUE(greedy.receive<Events>().ended);
  greedy.call<Pong>(Ping{});
}

TEST_F(HostileTest, submissions_beyond_the_rate_are_refused_and_others_submit) {
  start({"--submit-rate", "1"});
  Requester greedy(broker_->endpoint());
  const std::uint64_t first = greedy.send(make_submission());
  std::uint64_t last = first;
  while (last < first + 99) last = greedy.send(make_submission());
  const ErrorReply refusal = greedy.receive_error(last);
  EXPECT_EQ(refusal.code, "overloaded");
  EXPECT_GT(refusal.retry_after_ms, 0u);
  EXPECT_FALSE(greedy.receive<TaskAccepted>(first).duplicate);
  Requester(broker_->endpoint()).call<TaskAccepted>(make_submission());
}

TEST_F(HostileTest, others_are_served_while_one_floods) {
  start();
  std::atomic<bool> ending{false};
  std::thread flood([&] {
    Requester rude(broker_->endpoint());
    const wire::Frames ping = wire::encode(1, Ping{});
    while (!ending) rude.send_raw(ping);
  });
  {
    Requester client(broker_->endpoint());
    FakeWorker worker(broker_->endpoint(), "w1");
    for (int i = 0; i < 20; ++i) {
      const SubmitTask submission = make_submission();
      client.call<TaskAccepted>(submission);
      worker.pull(0, 1);
      EXPECT_EQ(worker.report(worker.next_job(), Outcome::succeeded), CommitStatus::committed);
    }
  }
  ending = true;
  flood.join();
}

TEST_F(HostileTest, jobs_of_a_worker_that_does_not_read_go_to_another) {
  start();
  constexpr int kTasks = 96;
  {
    Unreading worker(broker_->tcp_endpoint());
    Hello hello;
    hello.worker = {"deaf"};
    hello.kinds = {"quantize"};
    worker.send(hello);
    const Welcome welcome = worker.receive<Welcome>();
    worker.send(Pull{hello.worker, welcome.session, 0, kTasks});
    Requester client(broker_->endpoint());
    SubmitTask submission = make_submission();
    submission.spec = std::string(limits::kMaxSpecBytes, ' ');
    for (int i = 0; i < kTasks; ++i) {
      submission.task = make_task_id();
      client.call<TaskAccepted>(submission);
    }
    // Far from all of these 96 MiB fit into what the broker keeps for one peer.
    FakeWorker other(broker_->endpoint(), "w1");
    other.pull(0, 1);
    EXPECT_EQ(other.next_job().spec.size(), limits::kMaxSpecBytes);
  }
}

TEST_F(HostileTest, a_session_is_of_use_on_its_own_connection_alone) {
  start();
  FakeWorker worker(broker_->endpoint(), "w1");
  Requester forger(broker_->endpoint());
  EXPECT_EQ(forger.refused(Heartbeat{worker.id(), worker.session(), 0, 0, {}}).code, "unknown_peer");
  EXPECT_EQ(forger.refused(Pull{worker.id(), worker.session(), 1, 1}).code, "unknown_peer");
  Requester(broker_->endpoint()).call<TaskAccepted>(make_submission());
  worker.pull(0, 1);
  EXPECT_EQ(worker.next_job().kind, JobKind::task);
}

TEST_F(HostileTest, frames_over_the_limit_end_the_connection_and_nothing_else) {
  start();
  Requester client(broker_->endpoint());
  Requester rude(broker_->endpoint());
  rude.send_raw({wire::encode_header({MessageType::ping, 1}), std::string(limits::kMaxMessageBytes + 1, 'x')});
  rude.send_raw(wire::Frames(1000, "x"));
  rude.call<Pong>(Ping{});  // on a new connection, which ZeroMQ made by itself
  client.call<Pong>(Ping{});
}

}  // namespace
}  // namespace ns::test
