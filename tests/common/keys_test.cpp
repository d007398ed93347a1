// Keys, the list of authorized ones, and who gets through the door of a Router that has one.
#include "common/net/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <zmq.hpp>

#include "common/api/client.h"
#include "common/clock.h"
#include "common/net/authenticator.h"
#include "common/net/authorized_keys.h"
#include "common/net/poll_loop.h"
#include "common/net/socket.h"
#include "common/net/zap.h"

namespace ns {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class Keys : public ::testing::Test {
 protected:
  Keys() {
    std::string name = (fs::temp_directory_path() / "ns-keys-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Keys() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    ::chmod((folder_ / name).c_str(), 0600);
    return folder_ / name;
  }
  std::string refusal(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
  }

  fs::path folder_;
};

TEST_F(Keys, a_pair_comes_back_from_its_files) {
  const net::KeyPair keys = net::make_key_pair();
  net::write_key_files(folder_ / "a.key", keys);
  EXPECT_EQ(net::read_key_file(folder_ / "a.key").secret_key, keys.secret_key);
  EXPECT_EQ(net::read_key_file(folder_ / "a.key").public_key, keys.public_key);
  EXPECT_EQ(net::read_public_key(folder_ / "a.key.pub"), keys.public_key);
  EXPECT_EQ(net::read_public_key(keys.public_key), keys.public_key);
  struct stat status {};
  ::stat((folder_ / "a.key").c_str(), &status);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST_F(Keys, a_key_is_never_overwritten) {
  net::write_key_files(folder_ / "a.key", net::make_key_pair());
  EXPECT_NE(refusal([&] { net::write_key_files(folder_ / "a.key", net::make_key_pair()); }).find("never"),
            std::string::npos);
}

TEST_F(Keys, a_secret_that_others_may_read_is_refused_with_the_command_that_helps) {
  net::write_key_files(folder_ / "a.key", net::make_key_pair());
  ::chmod((folder_ / "a.key").c_str(), 0640);
  EXPECT_NE(refusal([&] { net::read_key_file(folder_ / "a.key"); }).find("chmod 600"), std::string::npos);
}

TEST_F(Keys, what_is_no_key_is_refused) {
  for (const char* text : {"", "\n", "# only a comment\n", "short\n", "a b\n",
                           "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\nD:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs\n"}) {
    EXPECT_FALSE(refusal([&] { net::read_key_file(write("bad", text)); }).empty()) << text;
  }
  EXPECT_FALSE(refusal([&] { net::read_key_file(folder_ / "nothing"); }).empty());
  EXPECT_FALSE(refusal([&] { net::read_key_file(folder_); }).empty());
  EXPECT_FALSE(net::is_key(std::string(40, ' ')));
  EXPECT_FALSE(net::is_key(std::string(40, '\xff')));
}

TEST_F(Keys, one_key_without_the_other_is_refused) {
  net::write_key_files(folder_ / "a.key", net::make_key_pair());
  EXPECT_NE(refusal([&] { net::read_peer_keys(folder_ / "a.key", ""); }).find("--broker-key"), std::string::npos);
  EXPECT_NE(refusal([&] { net::read_peer_keys("", folder_ / "a.key.pub"); }).find("--key"), std::string::npos);
  EXPECT_TRUE(net::read_peer_keys("", "").empty());
}

constexpr const char* kOneKey = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
constexpr const char* kOtherKey = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

TEST_F(Keys, the_list_has_a_role_and_a_name_for_each_key) {
  const auto list = net::AuthorizedKeys::parse(
      std::string("# who may come in\n\n  worker ") + kOneKey + "  node 1 \n" + "client\t" + kOtherKey + "\r\n",
      "list");
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list.find(kOneKey)->role, net::Role::worker);
  EXPECT_EQ(list.find(kOneKey)->name, "node 1");
  EXPECT_EQ(list.find(kOtherKey)->role, net::Role::client);
  EXPECT_EQ(list.find(kOtherKey)->name, "");
  EXPECT_EQ(list.find("local"), nullptr);
}

TEST_F(Keys, a_wrong_line_of_the_list_is_named) {
  const std::string good = std::string("admin ") + kOneKey + " me\n";
  for (const std::string& wrong : {std::string("boss ") + kOtherKey, std::string("client"), std::string("client short"),
                                   std::string("local ") + kOtherKey, std::string("worker ") + kOneKey,
                                   std::string("client ") + kOtherKey + " " + std::string(1000, 'n')}) {
    EXPECT_NE(refusal([&] { net::AuthorizedKeys::parse(good + wrong + "\n", "list"); }).find("list, line 2"),
              std::string::npos)
        << wrong;
  }
}

TEST_F(Keys, a_list_that_others_may_write_is_refused) {
  const fs::path list = write("list", "");
  ::chmod(list.c_str(), 0666);
  EXPECT_NE(refusal([&] { net::AuthorizedKeys::read(list); }).find("chmod go-w"), std::string::npos);
  ::chmod(list.c_str(), 0644);
  EXPECT_EQ(net::AuthorizedKeys::read(list).size(), 0u);
}

TEST(Zap, a_request_that_makes_no_sense_is_dropped) {
  const std::vector<std::string> good{
      "peer", "", "1.0", "7", "ns.curve", "10.0.0.1", "", "CURVE", std::string(32, 'k')};
  ASSERT_TRUE(net::zap::parse(good));
  EXPECT_TRUE(net::is_key(net::zap::parse(good)->public_key));
  for (std::size_t kept = 0; kept < good.size(); ++kept) {
    EXPECT_FALSE(net::zap::parse({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(kept)})) << kept;
  }
  for (const auto& [part, text] : std::vector<std::pair<std::size_t, std::string>>{
           {1, "x"}, {2, "2.0"}, {3, std::string(256, 'x')}, {8, "short"}, {8, std::string(33, 'k')}}) {
    std::vector<std::string> bad = good;
    bad[part] = text;
    EXPECT_FALSE(net::zap::parse(bad)) << part;
  }
  std::vector<std::string> longer = good;
  longer.emplace_back("more");
  EXPECT_FALSE(net::zap::parse(longer));
}

// A Router with a key, and peers that come to it.
class Door : public Keys {
 protected:
  Door() {
    list({});
    authenticator_.emplace(context_, broker_, folder_ / "list");
    router_.emplace(context_, std::vector<std::string>{"tcp://127.0.0.1:*", "ipc://" + (folder_ / "plain").string()},
                    &*authenticator_);
  }
  ~Door() override {
    router_.reset();
    authenticator_.reset();
  }

  void list(const std::vector<std::pair<std::string, net::KeyPair>>& entries) {
    std::string text;
    for (const auto& [role, keys] : entries) text += role + " " + keys.public_key + " somebody\n";
    write("list", text);
    if (authenticator_) authenticator_->reload();
  }
  std::string endpoint() const { return router_->endpoints()[0]; }
  std::unique_ptr<net::Dealer> connect(const net::KeyPair& own) {
    return std::make_unique<net::Dealer>(context_, endpoint(), net::PeerKeys{own, broker_.public_key},
                                         net::Explain::yes);
  }
  // What comes in of a message from this peer.
  net::Incoming receive_from(net::Dealer& dealer, const std::string& text = "x") {
    EXPECT_TRUE(dealer.send({"head", text}));
    net::PollLoop loop;
    std::optional<net::Incoming> incoming;
    loop.watch(*router_, [&] { incoming = router_->receive(); });
    const auto deadline = steady_clock().now() + 30s;
    while (!incoming && steady_clock().now() < deadline) loop.turn(100ms);
    if (!incoming) throw std::runtime_error("no message came");
    EXPECT_EQ(incoming->frames.at(1), text);
    return *incoming;
  }
  net::Refusal refusal_of(net::Dealer& dealer) {
    const auto deadline = steady_clock().now() + 30s;
    while (steady_clock().now() < deadline) {
      if (auto refusal = dealer.refusal()) return *refusal;
      dealer.wait(10ms);
    }
    throw std::runtime_error("it was not refused");
  }

  const net::KeyPair broker_ = net::make_key_pair();
  net::Context context_;
  std::optional<net::Authenticator> authenticator_;
  std::optional<net::Router> router_;
};

TEST_F(Door, a_listed_key_comes_in_with_its_role) {
  const net::KeyPair worker = net::make_key_pair();
  list({{"worker", worker}});
  const auto dealer = connect(worker);
  const net::Incoming incoming = receive_from(*dealer);
  EXPECT_EQ(incoming.role, net::Role::worker);
  EXPECT_EQ(incoming.key, worker.public_key);
  ASSERT_TRUE(router_->send(incoming.peer, {"answer", "b"}));
  ASSERT_TRUE(dealer->wait(30s));
  EXPECT_EQ(*dealer->receive(), (wire::Frames{"answer", "b"}));
  EXPECT_FALSE(dealer->refusal());
}

TEST_F(Door, an_unlisted_key_is_refused_and_told_which_line_is_missing) {
  const net::KeyPair stranger = net::make_key_pair();
  const auto dealer = connect(stranger);
  dealer->send({"head", "let me in"});
  const net::Refusal refusal = refusal_of(*dealer);
  EXPECT_TRUE(refusal.final);
  EXPECT_NE(refusal.why.find(stranger.public_key), std::string::npos);
  EXPECT_FALSE(router_->receive());
}

TEST_F(Door, a_peer_without_a_key_is_refused_and_told_the_flags) {
  net::Dealer dealer(context_, endpoint(), {}, net::Explain::yes);
  dealer.send({"head", "let me in"});
  EXPECT_NE(refusal_of(dealer).why.find("--broker-key"), std::string::npos);
  EXPECT_FALSE(router_->receive());
}

TEST_F(Door, a_peer_with_the_wrong_broker_key_does_not_speak_to_this_broker) {
  const net::KeyPair client = net::make_key_pair();
  list({{"client", client}});
  net::Dealer dealer(context_, endpoint(), {client, net::make_key_pair().public_key}, net::Explain::yes);
  dealer.send({"head", "a secret"});
  EXPECT_NE(refusal_of(dealer).why.find("--broker-key"), std::string::npos);
  EXPECT_FALSE(router_->receive());
}

TEST_F(Door, an_ipc_endpoint_stays_plain_and_is_local) {
  net::Dealer dealer(context_, router_->endpoints()[1], {net::make_key_pair(), broker_.public_key});
  const net::Incoming incoming = receive_from(dealer);
  EXPECT_EQ(incoming.role, net::Role::local);
  EXPECT_EQ(incoming.key, "");
}

TEST_F(Door, a_list_read_again_lets_in_who_is_new_and_keeps_who_is_there) {
  const net::KeyPair first = net::make_key_pair(), second = net::make_key_pair();
  list({{"client", first}});
  const auto stays = connect(first);
  const net::Incoming before = receive_from(*stays);
  list({{"client", first}, {"worker", second}});
  EXPECT_EQ(receive_from(*connect(second)).role, net::Role::worker);
  const net::Incoming after = receive_from(*stays);
  EXPECT_EQ(after.peer, before.peer) << "the same connection";
  EXPECT_EQ(after.role, net::Role::client);
}

TEST_F(Door, a_key_taken_from_the_list_has_no_role_any_more) {
  const net::KeyPair client = net::make_key_pair();
  list({{"admin", client}});
  const auto dealer = connect(client);
  EXPECT_EQ(receive_from(*dealer).role, net::Role::admin);
  list({});
  EXPECT_EQ(receive_from(*dealer).role, net::Role::none);
}

TEST_F(Door, a_list_that_is_wrong_leaves_the_old_one) {
  const net::KeyPair client = net::make_key_pair();
  list({{"client", client}});
  write("list", "nonsense\n");
  EXPECT_THROW(authenticator_->reload(), Error);
  EXPECT_EQ(receive_from(*connect(client)).role, net::Role::client);
}

TEST_F(Door, the_authenticator_survives_requests_that_make_no_sense) {
  net::Dealer rude(context_, net::zap::kEndpoint);
  rude.send({""});
  rude.send({"", "1.0"});
  rude.send({"", "1.0", "1", "ns.curve", "", "", "CURVE", "short"});
  rude.send({"a", "b", "c", "d", "e", "f", "g", "h", "i"});
  for (int i = 0; i < 20; ++i) rude.send(wire::Frames(64, std::string(50, 'x')));
  rude.send({"", "1.0", "7", "ns.curve", "", "", "CURVE", std::string(32, 'k')});
  ASSERT_TRUE(rude.wait(30s));
  EXPECT_EQ(rude.receive()->at(2), "7");
  const net::KeyPair client = net::make_key_pair();
  list({{"client", client}});
  EXPECT_EQ(receive_from(*connect(client)).role, net::Role::client);
}

TEST_F(Door, the_client_library_says_at_once_that_it_is_not_let_in) {
  api::ClientOptions options;
  options.endpoints = {endpoint(), endpoint()};
  options.deadline = 1h;
  options.keys = {net::make_key_pair(), broker_.public_key};
  try {
    api::Client(options).ping();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::forbidden);
    EXPECT_NE(std::string(error.what()).find(options.keys.own.public_key), std::string::npos);
  }
}

TEST(Socket, a_peer_that_takes_the_name_of_another_does_not_get_its_messages) {
  net::Context context;
  net::Router router(context, {"tcp://127.0.0.1:*"});
  zmq::context_t outside;
  const auto named = [&] {
    zmq::socket_t socket(outside, zmq::socket_type::dealer);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::routing_id, "somebody");
    socket.connect(router.endpoints()[0]);
    return socket;
  };
  zmq::socket_t first = named();
  first.send(zmq::str_buffer("head"), zmq::send_flags::sndmore);
  first.send(zmq::str_buffer("x"));
  net::PollLoop loop;
  std::optional<net::Incoming> incoming;
  loop.watch(router, [&] { incoming = router.receive(); });
  while (!incoming) loop.turn(1s);
  zmq::socket_t second = named();
  second.send(zmq::str_buffer("head"), zmq::send_flags::sndmore);
  second.send(zmq::str_buffer("y"));
  // Whoever comes later is served after the second has been seen.
  net::Dealer third(context, router.endpoints()[0]);
  third.send({"head", "z"});
  for (incoming.reset(); !incoming || incoming->frames[1] != "z";) loop.turn(1s);
  ASSERT_TRUE(router.send("somebody", {"answer", "b"}));
  zmq::message_t answer;
  ASSERT_TRUE(first.recv(answer));
  EXPECT_EQ(answer.to_string(), "answer");
}

}  // namespace
}  // namespace ns
