// How a broker is told where Redis is, and what it asks of it before it uses it.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <optional>
#include <thread>

#include "broker/store/address.h"
#include "broker/store/sentinels.h"
#include "broker/store/settings.h"
#include "common/error.h"
#include "tests/support/processes.h"

namespace ns::test {
namespace {

using namespace broker::store;

TEST(LocationTest, of_a_server) {
  EXPECT_EQ(parse_location("unix:/a/b").server.path, "/a/b");
  const Location location = parse_location("tcp://here:6379");
  EXPECT_EQ(location.server, (Address{"", "here", 6379}));
  EXPECT_TRUE(location.sentinels.empty());
  EXPECT_EQ(parse_location("tcp://[::1]:6379").server, (Address{"", "::1", 6379}));
  for (const char* text : {"unix:/a/b", "tcp://here:6379", "tcp://[::1]:6379"}) {
    EXPECT_EQ(text_of(parse_location(text).server), text);
  }
}

TEST(LocationTest, of_a_primary_that_sentinels_know) {
  const Location location = parse_location("sentinel://a:26379,b:26380,[::1]:3/queue");
  EXPECT_EQ(location.sentinels, (std::vector<Address>{{"", "a", 26379}, {"", "b", 26380}, {"", "::1", 3}}));
  EXPECT_EQ(location.primary, "queue");
}

TEST(LocationTest, of_another_form_is_refused_with_the_right_ones) {
  for (const std::string wrong :
       {"", "unix:", "tcp://", "tcp://:1", "tcp://here", "tcp://here:0", "tcp://here:65536", "tcp://here:x", "here:1",
        "sentinel://a:1", "sentinel://a:1/", "sentinel:///x", "sentinel://a:1,/x", "sentinel://a,b:1/x"}) {
    try {
      parse_location(wrong);
      ADD_FAILURE() << wrong;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("sentinel://host:port,host:port/name"), std::string::npos) << wrong;
    }
  }
  EXPECT_THROW(parse_location("unix:/" + std::string(200, 'x')), Error);
}

class PasswordTest : public ::testing::Test {
 protected:
  std::string file_with(const std::string& content, mode_t mode) {
    const std::string file = (folder_.path() / "password").string();
    std::ofstream(file) << content;
    ::chmod(file.c_str(), mode);
    return file;
  }
  TempFolder folder_;
};

TEST_F(PasswordTest, is_the_first_line_of_its_file) {
  EXPECT_EQ(read_password(file_with("a secret\n", 0600)), "a secret");
  EXPECT_THROW(read_password(file_with("\n", 0600)), Error);
  EXPECT_THROW(read_password((folder_.path() / "none").string()), Error);
}

TEST_F(PasswordTest, in_a_file_that_others_may_read_is_refused) {
  try {
    read_password(file_with("a secret\n", 0644));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("chmod 600 "), std::string::npos) << error.what();
  }
}

class SuitableTest : public ::testing::Test {
 protected:
  SuitableTest() {
    server_ = parse_info(
        "# Server\r\nredis_version:7.0.15\r\n\r\n# Persistence\r\nloading:0\r\naof_enabled:1\r\nrole:master\r\n");
    server_.config = {{"appendfsync", "everysec"},
                      {"maxmemory", "0"},
                      {"maxmemory-policy", "noeviction"},
                      {"hash-max-listpack-value", "1024"}};
    server_.config_is_known = true;
  }
  void set_info(const std::string& name, const std::string& value) { server_.info[name] = value; }
  void set_config(const std::string& name, const std::string& value) { server_.config[name] = value; }

  // The refusal, or nothing.
  std::string refusal(Durability durability) {
    Settings settings;
    settings.durability = durability;
    try {
      require_usable(server_);
      require_suitable(server_, settings);
      return "";
    } catch (const Error& error) {
      return std::string(entry_of(error.code()).name) + ": " + error.what();
    }
  }
  void expect_refused(Durability durability, const std::string& with) {
    EXPECT_NE(refusal(durability).find(with), std::string::npos) << refusal(durability);
  }

  ServerState server_;
};

TEST_F(SuitableTest, everysec_wants_an_append_only_file_forced_to_disk_each_second) {
  EXPECT_EQ(refusal(Durability::everysec), "");
  EXPECT_EQ(refusal(Durability::none), "");
  set_config("appendfsync", "always");
  EXPECT_EQ(refusal(Durability::everysec), "");
  set_config("appendfsync", "no");
  expect_refused(Durability::everysec, "unsupported: Redis has 'appendfsync no': set 'appendfsync everysec'");
  EXPECT_EQ(refusal(Durability::none), "");
  set_info("aof_enabled", "0");
  expect_refused(Durability::everysec, "set 'appendonly yes'");
  EXPECT_EQ(refusal(Durability::none), "");
}

TEST_F(SuitableTest, always_wants_each_write_forced_to_disk) {
  expect_refused(Durability::always, "needs 'appendfsync always'");
  set_config("appendfsync", "always");
  EXPECT_EQ(refusal(Durability::always), "");
  set_info("aof_enabled", "0");
  expect_refused(Durability::always, "set 'appendonly yes'");
}

TEST_F(SuitableTest, where_the_configuration_is_not_to_be_seen_only_always_is_refused) {
  server_.config.clear();
  server_.config_is_known = false;
  EXPECT_EQ(refusal(Durability::everysec), "");
  expect_refused(Durability::always, "+config|get");
  set_info("aof_enabled", "0");
  expect_refused(Durability::everysec, "set 'appendonly yes'");
}

TEST_F(SuitableTest, a_redis_that_would_throw_tasks_away_is_refused) {
  set_config("maxmemory-policy", "allkeys-lru");
  EXPECT_EQ(refusal(Durability::everysec), "") << "it has no bound yet: a warning";
  set_config("maxmemory", "1000000");
  expect_refused(Durability::everysec, "'maxmemory-policy noeviction'");
  set_config("maxmemory-policy", "volatile-lru");
  EXPECT_EQ(refusal(Durability::everysec), "") << "nothing of ours expires: a warning";
}

TEST_F(SuitableTest, what_passes_is_tried_again) {
  set_info("loading", "1");
  expect_refused(Durability::everysec, "unavailable: ");
  set_info("loading", "0");
  set_info("role", "slave");
  expect_refused(Durability::everysec, "unavailable: ");
  set_info("role", "master");
  set_info("redis_version", "6.2.14");
  expect_refused(Durability::everysec, "unsupported: Redis is version 6.2.14");
}

// ---- sentinels that are none

// Answers the first question on its unix socket with these bytes.
class PretendedSentinel {
 public:
  PretendedSentinel(const std::string& path, std::string answer)
      : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
    if (::bind(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 || ::listen(socket_, 1) != 0) {
      throw std::runtime_error("no socket at " + path);
    }
    thread_ = std::thread([this, answer = std::move(answer)] {
      const int peer = ::accept(socket_, nullptr, nullptr);
      char question[256];
      if (::read(peer, question, sizeof question) > 0) {
        [[maybe_unused]] const ssize_t ignored = ::write(peer, answer.data(), answer.size());
      }
      while (::read(peer, question, sizeof question) > 0) {
      }
      ::close(peer);
    });
  }
  ~PretendedSentinel() {
    thread_.join();
    ::close(socket_);
  }

 private:
  const int socket_;
  std::thread thread_;
};

TEST(PretendedSentinelTest, an_answer_of_another_shape_is_no_answer) {
  for (const std::string answer :
       {"*2\r\n$1\r\nh\r\n$3\r\nabc\r\n", "*2\r\n$1\r\nh\r\n$5\r\n70000\r\n", "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
        "*1\r\n$1\r\nh\r\n", "*2\r\n*0\r\n*0\r\n", ":5\r\n", "*-1\r\n", "-ERR unknown command\r\n"}) {
    SCOPED_TRACE(answer);
    TempFolder folder;
    const std::string path = (folder.path() / "s").string();
    PretendedSentinel pretended(path, answer);
    net::PollLoop loop;
    std::optional<Error> error;
    Sentinels sentinels(loop, {Address{path, "", 0}}, "ns");
    sentinels.find_primary([](const Address& address) { ADD_FAILURE() << text_of(address); },
                           [&](const Error& told) { error.emplace(told); });
    while (!error && !::testing::Test::HasFailure()) loop.turn(std::chrono::seconds(1));
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), ErrorCode::unavailable);
    loop.turn(std::chrono::milliseconds(1));  // the connection goes
  }
}

}  // namespace
}  // namespace ns::test
