// Several brokers, each with a folder of its own, are one store of artifacts.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "common/api/client.h"
#include "common/limits.h"
#include "common/net/keys.h"
#include "common/sha256.h"
#include "tests/broker/peers.h"
#include "tests/support/processes.h"

namespace ns::test {
namespace {

class SharedArtifacts : public ::testing::Test {
 protected:
  SharedArtifacts() : redis_(folder_.path()) {}

  void start(const std::string& name, const std::vector<std::string>& options = {}) {
    const std::filesystem::path own = folder_.path() / name;
    std::filesystem::create_directories(own);
    std::vector<std::string> words = {"--advertise", "ipc://" + (own / "broker.sock").string()};
    words.insert(words.end(), options.begin(), options.end());
    brokers_[name] = std::make_unique<BrokerProcess>(own, redis_.address(), words);
  }
  void start_with_copies(const std::string& name) { start(name, {"--artifact-copies", "2"}); }

  api::Client client(const std::vector<std::string>& names) {
    api::ClientOptions options;
    for (const std::string& name : names) options.endpoints.push_back(brokers_.at(name)->endpoint());
    options.deadline = 30s;
    return api::Client(options);
  }
  // Whether it lies in the folder of that broker.
  bool holds(const std::string& name, const ArtifactId& id) {
    return Requester(brokers_.at(name)->endpoint()).call<ArtifactInfo>(StatArtifact{id, true}).exists;
  }
  std::string fetch(const std::string& name, const ArtifactId& id) {
    const std::filesystem::path target = folder_.path() / "fetched";
    client({name}).get_artifact(id, target);
    return artifact_id_of_file(target).text;
  }

  const std::string bytes_ = [] {
    std::string bytes(2 * limits::kChunkBytes + 17, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
    return bytes;
  }();
  TempFolder folder_;
  RedisServer redis_;
  std::map<std::string, std::unique_ptr<BrokerProcess>> brokers_;
};

TEST_F(SharedArtifacts, what_one_broker_has_is_had_from_any_and_stays_there) {
  start("a");
  start("b");
  const ArtifactId id = client({"a"}).put_artifact_bytes(bytes_);
  EXPECT_FALSE(holds("b", id));
  const ArtifactInfo info = client({"b"}).stat_artifact(id);
  EXPECT_TRUE(info.exists);
  EXPECT_EQ(info.size, bytes_.size());
  EXPECT_EQ(fetch("b", id), id.text);
  while (!holds("b", id)) continue;  // it is written down after the client was answered
  brokers_.at("a")->kill();
  EXPECT_EQ(fetch("b", id), id.text);
}

TEST_F(SharedArtifacts, what_nobody_has_is_not_found_and_what_only_an_absent_broker_has_is_unavailable) {
  start("a");
  start("b");
  Requester requester(brokers_.at("b")->endpoint());
  const ArtifactId id = artifact_id_of(bytes_);
  EXPECT_EQ(requester.refused(GetArtifact{id, 0, 10}).code, "not_found");
  client({"a"}).put_artifact_bytes(bytes_);
  brokers_.at("a")->kill();
  const ErrorReply refusal = requester.refused(GetArtifact{id, 0, 10});
  EXPECT_EQ(refusal.code, "unavailable") << refusal.message;
  EXPECT_NE(refusal.message.find(brokers_.at("a")->endpoint()), std::string::npos) << refusal.message;
  brokers_.at("a")->restart();
  EXPECT_EQ(fetch("b", id), id.text);
}

TEST_F(SharedArtifacts, with_two_copies_an_acknowledged_upload_is_on_two_brokers) {
  start_with_copies("a");
  start_with_copies("b");
  const ArtifactId id = client({"a"}).put_artifact_bytes(bytes_);
  EXPECT_TRUE(holds("a", id));
  EXPECT_TRUE(holds("b", id));
}

TEST_F(SharedArtifacts, with_two_copies_an_upload_goes_on_through_the_other_broker) {
  start_with_copies("a");
  start_with_copies("b");
  start_with_copies("c");
  const std::string first = bytes_.substr(0, limits::kChunkBytes);
  const ArtifactId id = artifact_id_of(bytes_);
  Requester(brokers_.at("a")->endpoint()).call<ArtifactInfo>(PutArtifact{id, bytes_.size(), 0, "torn"}, first);
  brokers_.at("a")->kill();
  EXPECT_EQ(client({"a", "b", "c"}).put_artifact_bytes(bytes_), id);
  EXPECT_TRUE(holds("b", id));
  EXPECT_TRUE(holds("c", id));
}

TEST_F(SharedArtifacts, with_two_copies_and_one_broker_nothing_is_acknowledged) {
  start_with_copies("a");
  const ArtifactId id = artifact_id_of("x");
  const ErrorReply refusal = Requester(brokers_.at("a")->endpoint()).refused(PutArtifact{id, 1, 0, "alone"}, "x");
  EXPECT_EQ(refusal.code, "unavailable") << refusal.message;
  EXPECT_FALSE(holds("a", id));
  start_with_copies("b");
  EXPECT_EQ(client({"a"}).put_artifact_bytes("x"), id);
  EXPECT_TRUE(holds("b", id));
}

TEST_F(SharedArtifacts, an_artifact_with_too_few_copies_is_uploaded_again) {
  start("a");
  start_with_copies("b");
  const ArtifactId id = client({"a"}).put_artifact_bytes(bytes_);
  const ArtifactInfo info = client({"b"}).stat_artifact(id);
  EXPECT_TRUE(info.exists);
  EXPECT_FALSE(info.kept);
  EXPECT_EQ(client({"b"}).put_artifact_bytes(bytes_), id);
  EXPECT_TRUE(holds("b", id));
  EXPECT_TRUE(client({"b"}).stat_artifact(id).kept);
}

// A port of loopback that nobody uses now.
std::string free_endpoint() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no port is free");
  }
  ::close(descriptor);
  return "tcp://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

TEST_F(SharedArtifacts, brokers_with_keys_let_in_one_another_by_the_same_key_or_by_the_list) {
  const auto path = [&](const std::string& name) { return (folder_.path() / name).string(); };
  for (const char* name : {"one.key", "other.key"}) net::write_key_files(path(name), net::make_key_pair());
  std::ofstream(path("list")) << "broker " << net::read_public_key(path("other.key.pub")) << " the other\n";
  std::ofstream(path("none"));
  const auto start_with_key = [&](const std::string& name, const std::string& key, const std::string& list) {
    std::filesystem::create_directories(path(name));
    const std::string endpoint = free_endpoint();
    brokers_[name] =
        std::make_unique<BrokerProcess>(path(name), redis_.address(),
                                        std::vector<std::string>{"--listen", endpoint, "--advertise", endpoint, "--key",
                                                                 path(key), "--authorized-keys", path(list)});
  };
  start_with_key("a", "one.key", "list");
  start_with_key("same", "one.key", "none");
  start_with_key("listed", "other.key", "none");
  const ArtifactId id = client({"a"}).put_artifact_bytes(bytes_);
  EXPECT_EQ(fetch("same", id), id.text);
  EXPECT_EQ(fetch("listed", id), id.text);
  // It is not let in by those whose list lacks it: what only they have, it cannot know.
  const ArtifactId other = client({"same"}).put_artifact_bytes("x");
  const ErrorReply refusal = Requester(brokers_.at("listed")->endpoint()).refused(GetArtifact{other, 0, 10});
  EXPECT_EQ(refusal.code, "unavailable") << refusal.message;
}

}  // namespace
}  // namespace ns::test
