#include "tests/fuzz/broker_play.h"

#include <algorithm>
#include <array>
#include <deque>
#include <future>
#include <msgpack.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "broker/broker.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/net/socket.h"
#include "common/sha256.h"
#include "common/wire.h"
#include "tests/support/processes.h"

namespace ns::fuzz {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMostActions = 48;
constexpr int kInputsOfOneBroker = 2000;  // then all begins anew, so that neither Redis nor waiting requests pile up
constexpr auto kPatience = 30s;

// The bytes of an input, one after the other; zeros behind its end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool empty() const { return at_ >= size_; }
  std::uint8_t byte() { return empty() ? 0 : data_[at_++]; }
  std::string bytes(std::size_t most) {
    const std::size_t count = std::min(most, size_ - std::min(at_, size_));
    std::string taken(reinterpret_cast<const char*>(data_) + at_, count);
    at_ += count;
    return taken;
  }
  template <typename List>
  const typename List::value_type& pick(const List& list) {
    return list[byte() % list.size()];
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

struct StringStream {
  std::string bytes;
  void write(const char* data, std::size_t size) { bytes.append(data, size); }
};
using Packer = msgpack::packer<StringStream>;

// What has been seen to exist, the newest first; few, so that actions meet.
template <typename Value>
class Known {
 public:
  explicit Known(Value first) : values_{std::move(first)} {}
  void add(Value value) {
    values_.push_front(std::move(value));
    if (values_.size() > 6) values_.pop_back();
  }
  const Value& pick(Input& input) const { return values_[input.byte() % values_.size()]; }

 private:
  std::deque<Value> values_;
};

std::string body_of(MessageType type) {
  switch (type) {
#define NS_CASE(name, Struct) \
  case MessageType::name:     \
    return wire::encode_body(Struct{});
    NS_MESSAGES(NS_CASE)
#undef NS_CASE
  }
  return "\x80";
}

void decode_reply(MessageType type, const std::string& body) {
  switch (type) {
#define NS_CASE(name, Struct)   \
  case MessageType::name:       \
    wire::decode<Struct>(body); \
    return;
    NS_MESSAGES(NS_CASE)
#undef NS_CASE
  }
  throw std::runtime_error("the broker sent a message of a type that is none");
}

const std::vector<std::string> kArtifacts = {"", "a", std::string(600'000, 'x'), "never stored"};

}  // namespace

struct BrokerPlay::State {
  State() : redis(folder.path()) {
    log::start("fuzz", log::level_from("off"));
    begin();
  }
  ~State() { end(); }

  // ---- the broker and its peers

  void begin() {
    broker::Options options;
    options.redis.address = redis.address();
    options.redis.durability = broker::store::Durability::none;
    options.listen = {"ipc://" + (folder.path() / "broker.sock").string()};
    options.artifacts = folder.path() / "artifacts";
    options.admission.submissions_a_second = 0;
    broker = std::make_unique<broker::Broker>(options);
    std::promise<std::string> ready;
    thread =
        std::thread([this, &ready] { broker->run([&](const auto& endpoints) { ready.set_value(endpoints[0]); }); });
    endpoint = ready.get_future().get();
    for (std::size_t i = 0; i < peers.size(); ++i) connect(i);
    inputs = 0;
  }
  void connect(std::size_t peer) { peers[peer].emplace(context, endpoint); }
  void end() {
    for (auto& peer : peers) peer.reset();
    broker->stop();
    thread.join();
    broker.reset();
  }
  void begin_anew() {
    end();
    redis.kill();
    redis.restart();
    begin();
  }

  // ---- making messages

  // A field as its name asks for it; now and then, anything.
  void pack_field(Packer& packer, Input& input, const std::string& key, const msgpack::object& usual) {
    const std::uint8_t choice = input.byte();
    if (choice >= 0xf0) return pack_anything(packer, input, 3);
    if (key == "worker") {
      packer.pack(input.pick(std::array<std::string, 3>{"w0", "w1", "w2"}));
    } else if (key == "task") {
      packer.pack(tasks.pick(input));
    } else if (key == "job") {
      packer.pack(jobs.pick(input));
    } else if (key == "token") {
      packer.pack(tokens.pick(input) + (choice >= 0xe0 ? 1 : 0));
    } else if (key == "session") {
      packer.pack(sessions.pick(input) + (choice >= 0xe0 ? 1 : 0));
    } else if (key == "artifact") {
      artifact = input.byte() % kArtifacts.size();
      packer.pack(artifact_id_of(kArtifacts[artifact]).text);
    } else if (key == "size") {
      packer.pack(kArtifacts[artifact].size());
    } else if (const auto& words = words_for(key); !words.empty()) {
      packer.pack(words[choice % words.size()]);
    } else if (usual.type == msgpack::type::ARRAY) {
      pack_list(packer, input, key, choice);
    } else if (usual.type == msgpack::type::POSITIVE_INTEGER) {
      constexpr std::array<std::uint64_t, 10> kNumbers = {1, 0, 2, 3, 16, 255, 1024, 0xffffffff, 1ull << 53, ~0ull};
      if (choice < 0x80) {
        packer.pack(usual);
      } else {
        packer.pack(input.pick(kNumbers));
      }
    } else if (choice < 0x80) {
      packer.pack(usual);
    } else {
      packer.pack(input.bytes(input.byte()));
    }
  }

  static const std::vector<std::string>& words_for(const std::string& key) {
    static const std::vector<std::string> none, kind{"k"}, json{R"({"x":1})", "{}", "[", "null", ""},
        outcomes{"succeeded", "failed", "crashed", "early_stopped", "cancelled", "handed_back"},
        states{"", "pending", "running", "done", "failed", "cancelled"}, types{"note.x", "task.best", "task.progress"},
        after{"0", "0-1", "1-1", "99999999999999-0"}, upload{"u1", "u2"};
    if (key == "kind") return kind;
    if (key == "spec" || key == "parameters" || key == "result" || key == "body") return json;
    if (key == "outcome") return outcomes;
    if (key == "state") return states;
    if (key == "type") return types;
    if (key == "after") return after;
    if (key == "upload") return upload;
    return none;
  }

  // Entries of the lists that messages have, by the list's name.
  void pack_list(Packer& packer, Input& input, const std::string& key, std::uint8_t choice) {
    static const std::vector<std::pair<std::string, std::vector<std::string>>> kEntries = {
        {"jobs", {"job", "token"}},
        {"results", {"job", "token", "outcome", "result", "error"}},
        {"trials", {"number", "parameters", "time_limit_ms", "memory_limit_bytes"}},
        {"metrics", {"job", "token", "sequence", "body"}}};
    const std::uint32_t length = 1 + choice % 4;
    packer.pack_array(length);
    const auto entry =
        std::find_if(kEntries.begin(), kEntries.end(), [&](const auto& one) { return one.first == key; });
    for (std::uint32_t i = 0; i < length; ++i) {
      if (entry == kEntries.end()) {
        packer.pack("k");
        continue;
      }
      packer.pack_map(static_cast<std::uint32_t>(entry->second.size()));
      for (const std::string& field : entry->second) {
        packer.pack(field);
        if (field == "number" || field == "sequence") {
          packer.pack(i + input.byte() % 4);
        } else {
          pack_field(packer, input, field, field == "error" ? text_ : number_);
        }
      }
    }
  }

  void pack_anything(Packer& packer, Input& input, int depth) {
    switch (input.byte() % (depth > 0 ? 9 : 7)) {
      case 0:
        packer.pack_nil();
        return;
      case 1:
        packer.pack(true);
        return;
      case 2:
        packer.pack(~0ull);
        return;
      case 3:
        packer.pack(-1);
        return;
      case 4:
        packer.pack(0.5);
        return;
      case 5:
        packer.pack(input.bytes(input.byte()));
        return;
      case 6:
        packer.pack(std::string(20'000, 'x'));
        return;
      case 7:
        packer.pack_array(2);
        pack_anything(packer, input, depth - 1);
        pack_anything(packer, input, depth - 1);
        return;
      default:
        packer.pack_map(1);
        packer.pack(input.bytes(4));
        pack_anything(packer, input, depth - 1);
    }
  }

  std::string make_body(MessageType type, Input& input) {
    const std::string usual = body_of(type);
    const auto handle = msgpack::unpack(usual.data(), usual.size());
    const msgpack::object_map& fields = handle.get().via.map;
    StringStream stream;
    Packer packer(stream);
    packer.pack_map(fields.size);
    for (std::uint32_t i = 0; i < fields.size; ++i) {
      const auto key = fields.ptr[i].key.as<std::string>();
      packer.pack(key);
      pack_field(packer, input, key, fields.ptr[i].val);
    }
    return std::move(stream.bytes);
  }

  static void damage(std::string& bytes, Input& input) {
    for (int left = 1 + input.byte() % 6; left > 0 && !bytes.empty(); --left) {
      const std::size_t at = (input.byte() | input.byte() << 8) % bytes.size();
      switch (input.byte() % 4) {
        case 0:
          bytes[at] = static_cast<char>(input.byte());
          break;
        case 1:
          bytes.insert(at, input.bytes(1 + input.byte() % 8));
          break;
        case 2:
          bytes.erase(at, 1 + input.byte() % 8);
          break;
        default:
          bytes.resize(at);
      }
    }
  }

  void damage_frames(wire::Frames& frames, Input& input) {
    switch (input.byte() % 5) {
      case 0:
        damage(frames[0], input);
        break;
      case 1:
        frames.resize(1);
        break;
      case 2:
        frames.resize(3, input.bytes(16));
        break;
      case 3:
        frames.resize(1 + input.byte() % 8);
        break;
      default:
        for (std::string& frame : frames) frame = input.bytes(input.byte());
    }
  }

  void act(Input& input) {
    const std::size_t peer = input.byte() % peers.size();
    const MessageType type{input.byte()};
    const std::uint8_t how = input.byte();
    const std::string own = input.bytes(input.byte());
    Input choices(reinterpret_cast<const std::uint8_t*>(own.data()), own.size());
    wire::Frames frames{wire::encode_header({type, ++last_request}), {}};
    frames[1] = how >= 230 && how < 245 ? own : make_body(type, choices);
    if (how >= 200 && how < 230) damage(frames[1], choices);
    if (type == MessageType::put_artifact) frames.push_back(kArtifacts[artifact].substr(0, 512u << 10));
    if (how >= 245) damage_frames(frames, choices);
    peers[peer]->send(std::move(frames));
    used.insert(peer);
    if (how % 8 == 7) settle(peer);  // so that what follows may be about what this brought
  }

  // ---- reading answers

  // Waits until the broker has answered what this peer sent before.
  void settle(std::size_t peer) {
    const std::uint64_t number = ++last_request;
    peers[peer]->send(wire::encode(number, Ping{}));
    const auto deadline = steady_clock().now() + kPatience;
    for (;;) {
      while (auto frames = peers[peer]->receive()) {
        if (frames->size() < 2) throw std::runtime_error("the broker sent a message without a body");
        const wire::Header header = wire::decode_header((*frames)[0]);
        learn(header.type, (*frames)[1]);
        if (header.request != number) continue;
        if (header.type == MessageType::error) connect(peer);  // too much is under way there: long polls, mostly
        return;
      }
      peers[peer]->wait(1000ms);
      if (steady_clock().now() > deadline) throw std::runtime_error("the broker does not answer any more");
    }
  }

  void learn(MessageType type, const std::string& body) {
    decode_reply(type, body);
    if (type == MessageType::error) {
      const auto error = wire::decode<ErrorReply>(body);
      if (error.code == "internal") throw std::runtime_error("the broker has a defect: " + error.message);
    } else if (type == MessageType::welcome) {
      sessions.add(wire::decode<Welcome>(body).session);
    } else if (type == MessageType::task_accepted) {
      tasks.add(wire::decode<TaskAccepted>(body).task.text);
    } else if (type == MessageType::jobs) {
      for (const Job& job : wire::decode<Jobs>(body).jobs) {
        jobs.add(job.job.text);
        tokens.add(job.token);
        tasks.add(job.task.text);
      }
    }
  }

  void play(Input input) {
    if (++inputs > kInputsOfOneBroker) begin_anew();
    tasks.add(make_task_id().text);
    used.clear();
    for (std::size_t i = 0; i < kMostActions && !input.empty(); ++i) act(input);
    for (const std::size_t peer : used) settle(peer);
  }

  test::TempFolder folder;
  test::RedisServer redis;
  std::unique_ptr<broker::Broker> broker;
  std::thread thread;
  std::string endpoint;
  net::Context context;
  std::array<std::optional<net::Dealer>, 3> peers;
  std::set<std::size_t> used;
  std::uint64_t last_request = 0;
  int inputs = 0;

  Known<std::string> tasks{make_task_id().text};
  Known<std::string> jobs{make_task_id().text + "/0"};
  Known<std::uint64_t> tokens{1};
  Known<std::uint64_t> sessions{1};
  std::size_t artifact = 0;  // the one that was named last
  const msgpack::object number_{1u};
  msgpack::zone zone_;
  const msgpack::object text_{std::string(), zone_};
};

BrokerPlay::BrokerPlay() : state_(std::make_unique<State>()) {}
BrokerPlay::~BrokerPlay() = default;

void BrokerPlay::play(const std::uint8_t* data, std::size_t size) { state_->play(Input(data, size)); }

}  // namespace ns::fuzz
