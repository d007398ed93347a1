#include "worker/runner/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "common/error.h"

namespace ns::worker {
namespace {

class ChannelTest : public testing::Test {
 protected:
  ChannelTest() {
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_);
    ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    supervisor_.emplace(ends_[0]);
    runner_.emplace(ends_[1]);
  }
  int ends_[2];
  std::optional<Channel> supervisor_, runner_;
};

TEST_F(ChannelTest, brings_messages_of_every_size_in_order) {
  std::vector<std::string> messages;
  for (std::size_t size = 0; size < 3'000'000; size = 3 * size + 1)
    messages.emplace_back(size, static_cast<char>(size));
  std::thread sender([&] {
    for (const std::string& message : messages) EXPECT_TRUE(runner_->send(message));
  });
  for (const std::string& message : messages) {
    std::optional<std::string_view> received;
    while (!(received = supervisor_->next())) supervisor_->read();
    EXPECT_EQ(*received, message);
  }
  sender.join();
  EXPECT_FALSE(supervisor_->read());
  EXPECT_FALSE(supervisor_->closed());
}

TEST_F(ChannelTest, one_read_may_bring_many_messages) {
  for (int count = 0; count < 100; ++count) runner_->send(std::to_string(count));
  ASSERT_TRUE(supervisor_->read());
  for (int count = 0; count < 100; ++count) EXPECT_EQ(supervisor_->next(), std::to_string(count));
  EXPECT_FALSE(supervisor_->next());
}

TEST_F(ChannelTest, what_the_other_end_does_not_read_waits) {
  const std::string message(1 << 20, 'x');
  for (int count = 0; count < 3; ++count) EXPECT_TRUE(supervisor_->send(message));
  EXPECT_TRUE(supervisor_->wants_to_write());
  std::thread receiver([&] {
    for (int count = 0; count < 3; ++count) EXPECT_EQ(runner_->receive(), message);
  });
  while (supervisor_->wants_to_write()) supervisor_->flush();
  receiver.join();
}

TEST_F(ChannelTest, an_end_that_has_gone_is_noticed) {
  runner_->send("last words");
  runner_.reset();
  EXPECT_TRUE(supervisor_->read());
  EXPECT_EQ(supervisor_->next(), "last words");
  EXPECT_FALSE(supervisor_->read());
  EXPECT_TRUE(supervisor_->closed());
  EXPECT_FALSE(supervisor_->send("to nobody"));
}

TEST_F(ChannelTest, a_length_over_the_limit_is_refused) {
  ASSERT_EQ(::send(ends_[1], "\xff\xff\xff\xff", 4, 0), 4);
  ASSERT_TRUE(supervisor_->read());
  EXPECT_THROW(supervisor_->next(), Error);
}

}  // namespace
}  // namespace ns::worker
