// Sockets, poll loop, and the client library against a broker that misbehaves.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "common/api/client.h"
#include "common/clock.h"
#include "common/net/poll_loop.h"
#include "common/net/socket.h"
#include "tests/support/other_minor.h"

namespace ns {
namespace {

using namespace std::chrono_literals;

TEST(PollLoop, timers_fire_in_order_of_their_time) {
  ManualClock clock;
  net::PollLoop loop(clock);
  std::vector<int> fired;
  loop.after(20ms, [&] { fired.push_back(2); });
  loop.after(10ms, [&] { fired.push_back(1); });
  loop.after(30ms, [&] { fired.push_back(3); });
  loop.turn(0ms);
  EXPECT_TRUE(fired.empty());
  clock.advance(25ms);
  loop.turn(0ms);
  EXPECT_EQ(fired, (std::vector<int>{1, 2}));
  clock.advance(25ms);
  loop.turn(0ms);
  EXPECT_EQ(fired, (std::vector<int>{1, 2, 3}));
}

TEST(PollLoop, a_periodic_timer_does_not_make_up_for_missed_calls) {
  ManualClock clock;
  net::PollLoop loop(clock);
  int calls = 0;
  const auto timer = loop.every(10ms, [&] { ++calls; });
  clock.advance(100ms);
  loop.turn(0ms);
  EXPECT_EQ(calls, 1);
  clock.advance(10ms);
  loop.turn(0ms);
  EXPECT_EQ(calls, 2);
  loop.cancel(timer);
  clock.advance(100ms);
  loop.turn(0ms);
  EXPECT_EQ(calls, 2);
}

TEST(PollLoop, a_timer_may_cancel_another_that_is_due) {
  ManualClock clock;
  net::PollLoop loop(clock);
  bool fired = false;
  net::PollLoop::TimerId second = 0;
  loop.after(1ms, [&] { loop.cancel(second); });
  second = loop.after(2ms, [&] { fired = true; });
  clock.advance(5ms);
  loop.turn(0ms);
  EXPECT_FALSE(fired);
}

TEST(PollLoop, descriptors_are_reported_readable_and_hung_up) {
  net::PollLoop loop;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  int reads = 0;
  loop.watch(ends[0], {true, false}, [&](net::PollLoop::Ready ready) {
    ++reads;
    EXPECT_TRUE(ready.readable);
    char byte;
    if (::read(ends[0], &byte, 1) == 0) loop.unwatch(ends[0]);
  });
  loop.turn(0ms);
  EXPECT_EQ(reads, 0);
  ASSERT_EQ(::write(ends[1], "x", 1), 1);
  loop.turn(1s);
  EXPECT_EQ(reads, 1);
  ::close(ends[1]);
  loop.turn(1s);
  EXPECT_EQ(reads, 2);
  loop.turn(0ms);
  EXPECT_EQ(reads, 2);
  ::close(ends[0]);
}

TEST(PollLoop, the_end_of_a_turn_comes_after_all_that_was_due) {
  ManualClock clock;
  net::PollLoop loop(clock);
  std::string order;
  loop.at_turn_end([&] { order += "end "; });
  loop.after(0ms, [&] { order += "timer "; });
  loop.turn(0ms);
  EXPECT_EQ(order, "timer end ");
}

TEST(Socket, frames_arrive_whole_and_large_ones_unchanged) {
  net::Context context;
  net::Router router(context, {"tcp://127.0.0.1:*"});
  net::Dealer dealer(context, router.endpoints()[0]);
  const std::string large(1u << 20, 'x');
  ASSERT_TRUE(dealer.send({"head", "body", large}));
  net::PollLoop loop;
  std::optional<net::Incoming> incoming;
  loop.watch(router, [&] { incoming = router.receive(); });
  while (!incoming) loop.turn(1s);
  EXPECT_EQ(incoming->frames, (wire::Frames{"head", "body", large}));
  ASSERT_TRUE(router.send(incoming->peer, {"answer", "b"}));
  ASSERT_TRUE(dealer.wait(10s));
  EXPECT_EQ(*dealer.receive(), (wire::Frames{"answer", "b"}));
}

TEST(Socket, the_end_of_a_connection_is_told_by_the_number_that_its_messages_had) {
  net::Context context;
  net::Router router(context, {"tcp://127.0.0.1:*", "ipc:///tmp/ns-net-test-" + std::to_string(::getpid())});
  net::PollLoop loop;
  std::optional<net::Incoming> incoming;
  loop.watch(router, [&] { incoming = router.receive(); });
  for (const std::string& endpoint : router.endpoints()) {
    auto dealer = std::make_unique<net::Dealer>(context, endpoint);
    dealer->send({"head", "body"});
    for (incoming.reset(); !incoming;) loop.turn(1s);
    EXPECT_NE(incoming->connection, net::kNoConnection) << endpoint;
    EXPECT_TRUE(router.ended().empty()) << endpoint;
    dealer.reset();
    std::vector<net::Connection> ended;
    while (ended.empty()) ended = router.ended();
    EXPECT_EQ(ended, std::vector<net::Connection>{incoming->connection}) << endpoint;
    while (router.send(incoming->peer, {"head", "body"})) {
    }
  }
}

TEST(Socket, an_unknown_peer_is_reported) {
  net::Context context;
  net::Router router(context, {"tcp://127.0.0.1:*"});
  EXPECT_FALSE(router.send("nobody", {"a", "b"}));
}

TEST(Socket, a_peer_that_does_not_read_is_sent_a_bounded_number_of_bytes) {
  net::Context context;
  net::Router router(context, {"tcp://127.0.0.1:*"});
  zmq::context_t outside;
  zmq::socket_t peer(outside, zmq::socket_type::dealer);
  peer.set(zmq::sockopt::linger, 0);
  peer.set(zmq::sockopt::rcvhwm, 1);
  peer.connect(router.endpoints()[0]);
  peer.send(zmq::str_buffer("head"));
  net::PollLoop loop;
  std::optional<net::Incoming> incoming;
  loop.watch(router, [&] { incoming = router.receive(); });
  while (!incoming) loop.turn(1s);
  const std::string large(1u << 20, 'x');
  int sent = 0;
  while (router.send(incoming->peer, {"head", large})) ASSERT_LT(++sent, 200) << "MiB, and no end";
  // Another one is not the worse for it.
  net::Dealer other(context, router.endpoints()[0]);
  other.send({"head", "x"});
  for (const net::Peer slow = std::exchange(incoming, std::nullopt)->peer; !incoming;) loop.turn(1s);
  ASSERT_TRUE(router.send(incoming->peer, {"head", large}));
  ASSERT_TRUE(other.wait(30s));
  // Whoever reads again is sent to again.
  zmq::message_t part;
  for (int read = 0; read < sent; ++read) {
    ASSERT_TRUE(peer.recv(part) && peer.recv(part));
    ASSERT_EQ(part.size(), large.size());
  }
}

TEST(Socket, a_wrong_endpoint_is_refused_by_name) {
  net::Context context;
  try {
    net::Dealer dealer(context, "nonsense");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid);
    EXPECT_NE(std::string(error.what()).find("nonsense"), std::string::npos);
  }
}

// A broker of one's own, on a thread: `answer` gets each request.
class OddBroker {
 public:
  using Answer = std::function<void(net::Router&, const net::Incoming&)>;
  explicit OddBroker(Answer answer) : router_(context_, {"tcp://127.0.0.1:*"}) {
    thread_ = std::thread([this, answer] {
      net::PollLoop loop;
      loop.watch(router_, [&] {
        while (auto incoming = router_.receive()) answer(router_, *incoming);
      });
      while (!ending_) loop.turn(20ms);
    });
  }
  ~OddBroker() { stop(); }
  // Afterwards what `answer` wrote may be read.
  void stop() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
  }
  api::ClientOptions options() const {
    api::ClientOptions options;
    options.endpoints = router_.endpoints();
    options.attempt = 100ms;
    return options;
  }

 private:
  net::Context context_;
  net::Router router_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

std::uint64_t number_of(const net::Incoming& incoming) { return wire::decode_header(incoming.frames[0]).request; }

TEST(Client, repeats_the_same_request_until_it_is_answered) {
  std::vector<std::uint64_t> numbers;
  std::set<net::Peer> peers;
  OddBroker broker([&](net::Router& router, const net::Incoming& incoming) {
    numbers.push_back(number_of(incoming));
    peers.insert(incoming.peer);
    if (numbers.size() >= 3) router.send(incoming.peer, wire::encode(numbers.back(), Pong{"b", "v", 5}));
  });
  EXPECT_EQ(api::Client(broker.options()).ping().now_ms, 5u);
  broker.stop();
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>(3, numbers[0])));
  EXPECT_EQ(peers.size(), 3u) << "each time a new socket";
}

TEST(Client, understands_a_broker_one_minor_version_later_and_earlier) {
  for (const auto translate : {test::as_next_minor, test::as_previous_minor}) {
    OddBroker broker([&](net::Router& router, const net::Incoming& incoming) {
      router.send(incoming.peer, test::message_of_next_minor(0));
      router.send(incoming.peer, translate(wire::encode(number_of(incoming), Pong{"b", "v", 5})));
    });
    EXPECT_EQ(api::Client(broker.options()).ping().now_ms, 5u);
  }
}

TEST(Client, does_not_try_again_before_the_broker_asked_it_to) {
  std::atomic<int> calls{0};
  OddBroker broker([&](net::Router& router, const net::Incoming& incoming) {
    ++calls;
    router.send(incoming.peer, wire::encode(number_of(incoming), ErrorReply{"overloaded", "later", "", 60'000}));
  });
  api::ClientOptions options = broker.options();
  options.deadline = 300ms;
  EXPECT_THROW(api::Client(options).ping(), Error);
  EXPECT_EQ(calls, 1);
}

TEST(Client, throws_an_error_reply_with_code_and_field) {
  OddBroker broker([&](net::Router& router, const net::Incoming& incoming) {
    router.send(incoming.peer, wire::encode(number_of(incoming), ErrorReply{"conflict", "taken", "task", 0}));
  });
  try {
    api::Client(broker.options()).ping();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_EQ(error.field(), "task");
  }
}

TEST(Client, tries_again_after_a_passing_error) {
  std::atomic<int> calls{0};
  OddBroker broker([&](net::Router& router, const net::Incoming& incoming) {
    if (++calls < 3) {
      router.send(incoming.peer, wire::encode(number_of(incoming), ErrorReply{"unavailable", "no Redis", "", 10}));
    } else {
      router.send(incoming.peer, wire::encode(number_of(incoming), Pong{"b", "v", 5}));
    }
  });
  EXPECT_EQ(api::Client(broker.options()).ping().now_ms, 5u);
  EXPECT_EQ(calls, 3);
}

TEST(Client, names_the_endpoint_when_nobody_answers) {
  OddBroker broker([](net::Router&, const net::Incoming&) {});
  api::ClientOptions options = broker.options();
  options.deadline = 200ms;
  try {
    api::Client(options).ping();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(std::string(error.what()).find(options.endpoints[0]), std::string::npos);
  }
}

TEST(Client, is_interrupted_while_it_waits) {
  OddBroker broker([](net::Router&, const net::Incoming&) {});
  api::ClientOptions options = broker.options();
  int asked = 0;
  options.interrupted = [&] { return ++asked > 3; };
  try {
    api::Client(options).ping();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::cancelled);
  }
}

}  // namespace
}  // namespace ns
