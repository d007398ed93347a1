// The connection to Redis: what goes out, what comes back, and what happens when it is lost.
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <memory_resource>
#include <optional>
#include <string>
#include <vector>

#include "broker/store/connection.h"
#include "tests/support/processes.h"

namespace ns::test {
namespace {

using namespace std::chrono_literals;
using broker::store::Arguments;
using broker::store::Connection;
using broker::store::parse_location;
using broker::store::Reply;
using broker::store::ReplyReader;

TEST(ArgumentsTest, words_are_texts_and_whole_numbers) {
  Arguments words("SET", std::string("k\r\n"), std::uint64_t{18'446'744'073'709'551'615u});
  words.add(-7).add("", "x");
  EXPECT_EQ(words.count(), 6u);
  EXPECT_EQ(words.words(),
            "$3\r\nSET\r\n$3\r\nk\r\n\r\n$20\r\n18446744073709551615\r\n$2\r\n-7\r\n$0\r\n\r\n$1\r\nx\r\n");
}

TEST(ReplyTest, may_arrive_in_any_pieces) {
  const std::string bytes = "*5\r\n$5\r\nab\r\nc\r\n:-12\r\n*2\r\n+OK\r\n*0\r\n$-1\r\n-ERR no\r\n:7\r\n";
  for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
    ReplyReader reader;
    std::vector<Reply> replies;
    for (std::size_t fed = 0; fed < bytes.size(); fed += piece) {
      reader.feed(bytes.data() + fed, std::min(piece, bytes.size() - fed));
      while (const Reply* reply = reader.next()) replies.push_back(*reply);
    }
    ASSERT_EQ(replies.size(), 2u) << piece;
    ASSERT_EQ(replies[0].list().size(), 5u);
    EXPECT_EQ(replies[0].at(0).text(), "ab\r\nc");
    EXPECT_EQ(replies[0].at(1).signed_number(), -12);
    EXPECT_EQ(replies[0].at(2).at(0).text(), "OK");
    EXPECT_TRUE(replies[0].at(2).at(1).list().empty());
    EXPECT_EQ(replies[0].at(3).text(), "");
    EXPECT_TRUE(replies[0].at(4).is_error());
    EXPECT_EQ(replies[1].number(), 7u);
  }
}

TEST(ReplyTest, of_another_shape_is_refused) {
  ReplyReader reader;
  const std::string bytes = "*1\r\n$1\r\nx\r\n";
  reader.feed(bytes.data(), bytes.size());
  const Reply reply = *reader.next();
  EXPECT_THROW(reply.text(), Error);
  EXPECT_THROW(reply.at(1), Error);
  EXPECT_THROW(reply.at(0).number(), Error);
  EXPECT_THROW(reply.at(0).list(), Error);
}

TEST(ReplyTest, what_is_no_reply_is_refused) {
  ReplyReader reader;
  reader.feed("HTTP/1.1\r\n", 10);
  EXPECT_THROW(reader.next(), Error);
}

TEST(ReplyTest, errors_say_whether_a_repeat_makes_sense) {
  ReplyReader reader;
  const std::string bytes =
      "-OOM command not allowed\r\n-ERR wrong number of arguments\r\n-NSERR stale token it has ended\r\n";
  reader.feed(bytes.data(), bytes.size());
  EXPECT_EQ(reader.next()->error().code(), ErrorCode::unavailable);
  EXPECT_EQ(reader.next()->error().code(), ErrorCode::internal);
  const Error ours = reader.next()->error();
  EXPECT_EQ(ours.code(), ErrorCode::stale);
  EXPECT_EQ(ours.field(), "token");
  EXPECT_STREQ(ours.what(), "it has ended");
}

TEST(ReplyTest, a_copy_outlives_what_it_was_made_of) {
  std::pmr::monotonic_buffer_resource memory;
  ReplyReader reader;
  const std::string bytes = "*4\r\n$-1\r\n$0\r\n\r\n:7\r\n*1\r\n+deep\r\n";
  reader.feed(bytes.data(), bytes.size());
  const Reply copy = reader.next()->copy(memory);
  reader.release();
  EXPECT_EQ(copy.at(0).text(), "");
  EXPECT_EQ(copy.at(1).text(), "");
  EXPECT_EQ(copy.at(2).number(), 7u);
  EXPECT_EQ(copy.at(3).at(0).text(), "deep");
}

class ConnectionTest : public ::testing::Test {
 protected:
  ConnectionTest() : redis_(folder_.path()) { connect(); }

  void connect() {
    connection_ = std::make_unique<Connection>(loop_, parse_location(redis_.address()).server,
                                               [this](const std::string&) { ++closed_; });
  }
  template <typename Condition>
  void turn_until(Condition condition) {
    for (int i = 0; i < 1000 && !condition(); ++i) loop_.turn(30ms);
    ASSERT_TRUE(condition());
  }

  TempFolder folder_;
  RedisServer redis_;
  net::PollLoop loop_;
  std::unique_ptr<Connection> connection_;
  int closed_ = 0;
};

TEST_F(ConnectionTest, commands_of_one_turn_are_answered_in_order) {
  std::vector<std::uint64_t> answers;
  for (int i = 0; i < 3000; ++i) {
    connection_->command({"INCR", "n"}, [&](const Reply& reply) { answers.push_back(reply.number()); });
  }
  EXPECT_EQ(connection_->waiting(), 3000u);
  connection_->flush();
  turn_until([&] { return answers.size() == 3000; });
  for (std::size_t i = 0; i < answers.size(); ++i) ASSERT_EQ(answers[i], i + 1);
}

TEST_F(ConnectionTest, more_than_a_socket_takes_follows_as_redis_reads) {
  std::string large(20'000'000, 'x');
  large[123] = '\0';
  large[19'999'999] = '\n';
  std::string back;
  connection_->command({"SET", "k"}, {large}, [](const Reply&) {});
  connection_->command({"GET", "k"}, [&](const Reply& reply) { back = reply.text(); });
  connection_->flush();
  EXPECT_GT(connection_->unwritten(), 0u);
  turn_until([&] { return !back.empty(); });
  EXPECT_TRUE(back == large);
  EXPECT_EQ(connection_->unwritten(), 0u);
}

TEST_F(ConnectionTest, what_waits_when_it_is_lost_may_be_repeated) {
  int refused = 0;
  redis_.process().signal(SIGSTOP);
  for (int i = 0; i < 3; ++i) {
    connection_->command({"PING"}, [&](const Reply& reply) {
      EXPECT_EQ(reply.error().code(), ErrorCode::unavailable);
      ++refused;
    });
  }
  connection_->flush();
  redis_.kill();
  turn_until([&] { return closed_ > 0; });
  EXPECT_EQ(refused, 3);
  connection_->command({"PING"}, [&](const Reply& reply) { refused += reply.is_error() ? 1 : 0; });
  EXPECT_EQ(refused, 4) << "at once";
  EXPECT_EQ(closed_, 1);
}

TEST_F(ConnectionTest, messages_come_after_every_channel_is_subscribed) {
  Connection publisher(loop_, parse_location(redis_.address()).server, [](const std::string&) {});
  std::vector<std::string> heard;
  connection_->subscribe({"a", "b"}, [&](std::string_view channel, std::string_view message) {
    heard.push_back(std::string(channel) + "=" + std::string(message));
    if (!channel.empty()) return;
    publisher.command({"PUBLISH", "b", "1"}, [](const Reply&) {});
    publisher.command({"PUBLISH", "a", "2"}, [](const Reply&) {});
    publisher.flush();
  });
  turn_until([&] { return heard.size() == 3; });
  EXPECT_EQ(heard, (std::vector<std::string>{"=", "b=1", "a=2"}));
}

TEST_F(ConnectionTest, commands_wait_until_a_hosts_name_is_known) {
  const int port = free_port();
  const TempFolder folder;
  const RedisServer on_port(folder.path(), false, {"--port", std::to_string(port)});
  Connection named(loop_, {"", "localhost", port}, [this](const std::string&) { ++closed_; });
  std::string answer;
  named.command({"PING"}, [&](const Reply& reply) { answer = reply.text(); });
  named.flush();
  turn_until([&] { return !answer.empty(); });
  EXPECT_EQ(answer, "PONG");
  EXPECT_EQ(closed_, 0);
}

TEST_F(ConnectionTest, a_name_that_nobody_knows_ends_it) {
  std::string why;
  Connection unknown(loop_, {"", "no-such-host.invalid", 6379}, [&](const std::string& text) { why = text; });
  int refused = 0;
  unknown.command({"PING"}, [&](const Reply& reply) { refused += reply.is_error() ? 1 : 0; });
  unknown.flush();
  turn_until([&] { return !why.empty(); });
  EXPECT_NE(why.find("no-such-host.invalid"), std::string::npos) << why;
  EXPECT_EQ(refused, 1);
  // Dropped while its host is looked up: nothing is called.
  const auto dropped = std::make_unique<Connection>(loop_, parse_location("tcp://no-such-host.invalid:1").server,
                                                    [](const std::string&) { ADD_FAILURE(); });
}

TEST_F(ConnectionTest, none_is_made_where_nobody_listens) {
  connection_.reset();
  redis_.kill();
  EXPECT_THROW(connect(), Error);
  Connection refused(loop_, parse_location("tcp://127.0.0.1:1").server, [this](const std::string&) { ++closed_; });
  turn_until([&] { return closed_ == 1; });
}

}  // namespace
}  // namespace ns::test
