#include "common/api/client.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <utility>

#include "common/clock.h"
#include "common/limits.h"
#include "common/net/socket.h"
#include "common/sha256.h"
#include "common/wire.h"

namespace ns::api {
namespace {

constexpr int kUploadTries = 3;
constexpr std::size_t kChunksInFlight = 4;           // hides a round trip without filling a queue
constexpr std::chrono::milliseconds kGlance = 50ms;  // between two looks at `interrupted`

std::string random_word() {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::random_device random;
  std::string word(24, 'a');
  for (char& letter : word) letter = kLetters[random() % kLetters.size()];
  return word;
}

// An error reply, as the Error that it stands for.
class Refused : public Error {
 public:
  explicit Refused(const ErrorReply& reply)
      : Error(error_code_from(reply.code), reply.message, reply.field),
        retry_after_(std::min<std::uint32_t>(reply.retry_after_ms, 5000)) {}
  std::chrono::milliseconds retry_after() const { return retry_after_; }

 private:
  std::chrono::milliseconds retry_after_;
};

// How long the broker asks to wait, which it may know better than we.
std::chrono::milliseconds retry_after(const Error& error) {
  const auto* refused = dynamic_cast<const Refused*>(&error);
  return refused == nullptr ? 0ms : refused->retry_after();
}

template <typename Reply>
Reply parse_reply(const wire::Header& header, const wire::Frames& frames) {
  if (header.type == MessageType::error) throw Refused(wire::decode<ErrorReply>(frames.at(1)));
  if (header.type != wire::kTypeOf<Reply>) {
    throw Error(ErrorCode::invalid, "the broker answered with '" + std::string(wire::name_of(header.type)) +
                                        "' where '" + std::string(wire::name_of(wire::kTypeOf<Reply>)) +
                                        "' was expected");
  }
  return wire::decode<Reply>(frames.at(1));
}

// A retry may help: the broker cannot do it now, and says so.
bool is_passing(const Error& error) {
  return error.code() == ErrorCode::unavailable || error.code() == ErrorCode::overloaded;
}

std::uint64_t size_of(const std::filesystem::path& path) {
  std::error_code failure;
  const auto size = std::filesystem::file_size(path, failure);
  if (failure) throw Error(ErrorCode::not_found, "file '" + path.string() + "': " + failure.message());
  return size;
}

}  // namespace

struct Client::State {
  explicit State(ClientOptions given) : options(std::move(given)) {
    if (options.endpoints.empty()) {
      throw Error(ErrorCode::invalid, "no broker endpoint is given: it must be like tcp://host:port or ipc:///path",
                  "broker");
    }
  }

  ClientOptions options;
  net::Context context;
  std::optional<net::Dealer> dealer;
  std::size_t endpoint = 0;  // in use
  std::uint64_t last_request = 0;
  std::size_t refusals = 0;  // by endpoints, one after the other
  std::string why_no_answer;

  const std::string& endpoint_text() const { return options.endpoints[endpoint]; }

  void check_interrupted() const {
    if (options.interrupted && options.interrupted()) throw Error(ErrorCode::cancelled, "interrupted");
  }

  net::Dealer& connected() {
    if (!dealer) dealer.emplace(context, endpoint_text(), options.keys, net::Explain::yes);
    return *dealer;
  }

  // The old socket may hold a request for a broker that never comes back: it is thrown away with it.
  void next_endpoint() {
    dealer.reset();
    endpoint = (endpoint + 1) % options.endpoints.size();
  }

  // By the endpoint in use, for good; Error(forbidden) when no other is left to try.
  bool was_refused() {
    const auto refusal = connected().refusal();
    if (!refusal) return false;
    why_no_answer = refusal->why;
    if (!refusal->final) return false;
    if (++refusals < options.endpoints.size()) return true;
    throw Error(ErrorCode::forbidden,
                "the broker at " + endpoint_text() + " does not let this client in: " + refusal->why, "key");
  }

  // The next message that came before `until`; nothing also when the endpoint does not let us in.
  std::optional<wire::Frames> receive(Clock::Time until) {
    for (;;) {
      check_interrupted();
      if (auto frames = connected().receive()) {
        refusals = 0;
        return frames;
      }
      if (was_refused()) return std::nullopt;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock().now());
      if (left <= 0ms) return std::nullopt;
      connected().wait(std::min(left, kGlance));
    }
  }

  void pause(std::chrono::milliseconds how_long, Clock::Time deadline) {
    const auto until = std::min(deadline, steady_clock().now() + how_long);
    while (steady_clock().now() < until) {
      check_interrupted();
      // Whatever arrives now answers a request that was given up.
      if (connected().wait(std::min(kGlance, how_long))) connected().receive();
    }
  }

  [[noreturn]] void give_up(std::string last_reason) const {
    if (last_reason.empty()) last_reason = why_no_answer;
    std::string endpoints;
    for (const std::string& one : options.endpoints) endpoints += (endpoints.empty() ? "" : ", ") + one;
    throw Error(ErrorCode::unavailable,
                "no answer from the broker at " + endpoints + (last_reason.empty() ? "" : " (" + last_reason + ")"));
  }

  // One attempt at one request; nothing when no answer came in time.
  template <typename Reply, typename Request>
  std::optional<Reply> attempt(const Request& request, std::uint64_t number, Clock::Time until,
                               std::string* attachment) {
    if (!connected().send(wire::encode(number, request))) return std::nullopt;
    while (auto frames = receive(until)) {
      if (frames->size() < 2) continue;
      const wire::Header header = wire::decode_header(frames->front());
      if (header.request != number) continue;  // of an earlier request that was given up
      if (attachment != nullptr && frames->size() > 2) *attachment = std::move((*frames)[2]);
      return parse_reply<Reply>(header, *frames);
    }
    return std::nullopt;
  }

  template <typename Reply, typename Request>
  Reply call(const Request& request, std::chrono::milliseconds extra_wait = 0ms, std::string* attachment = nullptr) {
    wire::check(request);
    const std::uint64_t number = ++last_request;
    const auto deadline = steady_clock().now() + options.deadline + extra_wait;
    std::string last_reason;
    std::chrono::milliseconds backoff = 50ms;
    while (steady_clock().now() < deadline) {
      const auto until = std::min(deadline, steady_clock().now() + options.attempt + extra_wait);
      try {
        if (auto reply = attempt<Reply>(request, number, until, attachment)) return std::move(*reply);
        next_endpoint();
      } catch (const Error& error) {
        if (!is_passing(error)) throw;
        last_reason = error.what();
        pause(std::max(backoff, retry_after(error)), deadline);
        backoff = std::min(backoff * 2, 1000ms);
      }
    }
    give_up(last_reason);
  }

  template <typename Request>
  DeadChanged change_dead(std::vector<JobId> jobs, std::size_t at_once) {
    DeadChanged all;
    for (std::size_t first = 0; first < jobs.size(); first += at_once) {
      const auto begin = jobs.begin() + static_cast<std::ptrdiff_t>(first);
      const auto end = begin + static_cast<std::ptrdiff_t>(std::min(at_once, jobs.size() - first));
      DeadChanged some = call<DeadChanged>(Request{{begin, end}});
      std::move(some.changes.begin(), some.changes.end(), std::back_inserter(all.changes));
    }
    return all;
  }

  // ---- artifacts: a window of chunk requests, each repeated until it is answered

  struct Chunk {
    std::uint64_t offset;
    std::uint64_t length;
  };

  // Sends requests made by `make` for every chunk of [begin, size), several at a time; `take` gets each answer (and
  // says whether the transfer is complete already).
  template <typename Reply, typename Make, typename Take>
  void transfer(std::uint64_t begin, std::uint64_t size, const Make& make, const Take& take) {
    std::uint64_t next = begin;
    bool complete = false;
    std::deque<Chunk> again;
    std::map<std::uint64_t, Chunk> in_flight;  // by request number
    auto deadline = steady_clock().now() + options.deadline;
    auto until = steady_clock().now() + options.attempt;
    bool first = true;  // an empty artifact has one empty chunk
    std::string last_reason;
    while (!complete && (first || next < size || !again.empty() || !in_flight.empty())) {
      while (in_flight.size() < kChunksInFlight && (first || next < size || !again.empty())) {
        Chunk chunk{next, std::min<std::uint64_t>(limits::kChunkBytes, size - next)};
        if (!again.empty()) {
          chunk = again.front();
          again.pop_front();
        } else {
          next += chunk.length;
        }
        first = false;
        const std::uint64_t number = ++last_request;
        in_flight.emplace(number, chunk);
        if (!connected().send(make(number, chunk))) break;  // answered by the retry below
      }
      const auto frames = receive(std::min(until, deadline));
      if (!frames) {  // lost: a new socket, and everything unanswered again
        if (steady_clock().now() >= deadline) give_up(last_reason);
        next_endpoint();
        for (const auto& [number, chunk] : in_flight) again.push_back(chunk);
        in_flight.clear();
        until = steady_clock().now() + options.attempt;
        continue;
      }
      if (frames->size() < 2) continue;
      const wire::Header header = wire::decode_header(frames->front());
      const auto found = in_flight.find(header.request);
      if (found == in_flight.end()) continue;
      const Chunk chunk = found->second;
      in_flight.erase(found);
      try {
        complete = take(parse_reply<Reply>(header, *frames), chunk, frames->size() > 2 ? (*frames)[2] : std::string());
        deadline = steady_clock().now() + options.deadline;  // it moves
      } catch (const Error& error) {
        if (!is_passing(error)) throw;
        last_reason = error.what();
        again.push_back(chunk);
        if (steady_clock().now() >= deadline) give_up(last_reason);
        pause(std::max<std::chrono::milliseconds>(100ms, retry_after(error)), deadline);
        for (const auto& [number, unanswered] : in_flight) again.push_back(unanswered);
        in_flight.clear();
      }
      until = steady_clock().now() + options.attempt;
    }
  }

  // Whether the store says so: it has all of it, on as many brokers as keep copies.
  bool is_kept(const ArtifactId& id) {
    const auto info = call<ArtifactInfo>(StatArtifact{id});
    return info.exists && info.kept;
  }

  // `read(offset, length)` gives the bytes.
  template <typename Read>
  void upload(const ArtifactId& id, std::uint64_t size, const Read& read, const Progress& progress) {
    for (int tries = 0; tries < kUploadTries; ++tries) {
      if (upload_once(id, size, read, progress)) return;
    }
    throw Error(ErrorCode::unavailable, "the upload of " + id.text + " was not completed: try again");
  }

  // False when its chunks came to lie on different brokers, because one went away meanwhile.
  template <typename Read>
  bool upload_once(const ArtifactId& id, std::uint64_t size, const Read& read, const Progress& progress) {
    PutArtifact put;
    put.artifact = id;
    put.size = size;
    put.upload = random_word();
    std::uint64_t sent = 0;
    bool stored = false;
    transfer<ArtifactInfo>(
        0, size,
        [&](std::uint64_t number, const Chunk& chunk) {
          put.offset = chunk.offset;
          wire::Frames frames = wire::encode(number, put);
          frames.push_back(read(chunk.offset, chunk.length));
          return frames;
        },
        [&](const ArtifactInfo& info, const Chunk& chunk, const std::string&) {
          sent += chunk.length;
          if (progress) progress(std::min(sent, size), size);
          stored = stored || info.exists;
          return stored;
        });
    return stored;
  }
};

Client::Client(ClientOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Client::~Client() = default;

Pong Client::ping() { return state_->call<Pong>(Ping{}); }
TaskAccepted Client::submit(const SubmitTask& request) { return state_->call<TaskAccepted>(request); }
TaskInfo Client::get_task(const TaskId& task) { return state_->call<TaskInfo>(GetTask{task}); }
TaskList Client::list_tasks(const ListTasks& request) { return state_->call<TaskList>(request); }
void Client::cancel_task(const TaskId& task) { state_->call<Ok>(CancelTask{task}); }
Events Client::read_events(const ReadEvents& request) {
  return state_->call<Events>(request, std::chrono::milliseconds(request.wait_ms));
}
TrialList Client::get_trials(const GetTrials& request) { return state_->call<TrialList>(request); }

std::vector<TrialInfo> Client::all_trials(const TaskId& task) {
  std::vector<TrialInfo> all;
  GetTrials request;
  request.task = task;
  for (;;) {
    TrialList page = get_trials(request);
    if (page.trials.empty()) return all;
    request.first = page.trials.back().number + 1;
    std::move(page.trials.begin(), page.trials.end(), std::back_inserter(all));
    if (all.size() >= page.total) return all;
  }
}

WorkerList Client::list_workers() { return state_->call<WorkerList>(ListWorkers{}); }
QueueInfo Client::get_queue() { return state_->call<QueueInfo>(GetQueue{}); }

std::vector<DeadLetter> Client::all_dead() {
  std::vector<DeadLetter> all;
  for (;;) {
    DeadList page = state_->call<DeadList>(ListDead{static_cast<std::uint32_t>(all.size())});
    if (page.letters.empty()) return all;
    std::move(page.letters.begin(), page.letters.end(), std::back_inserter(all));
    if (all.size() >= page.total) return all;
  }
}

DeadChanged Client::requeue_dead(std::vector<JobId> jobs) {
  // A task job brings its trials along: one call of a few jobs at a time keeps each short.
  return state_->change_dead<RequeueDead>(std::move(jobs), 16);
}
DeadChanged Client::purge_dead(std::vector<JobId> jobs) {
  return state_->change_dead<PurgeDead>(std::move(jobs), limits::kMaxBatch);
}
void Client::drain_worker(const WorkerId& worker) { state_->call<Ok>(DrainWorker{worker}); }

TrialsEnqueued Client::enqueue_trials(const EnqueueTrials& request) { return state_->call<TrialsEnqueued>(request); }
void Client::stop_trial(const StopTrial& request) { state_->call<Ok>(request); }
void Client::append_event(const AppendEvent& request) { state_->call<Ok>(request); }
ArtifactInfo Client::stat_artifact(const ArtifactId& id) { return state_->call<ArtifactInfo>(StatArtifact{id}); }

ArtifactId Client::put_artifact(const std::filesystem::path& path, const Progress& progress) {
  const std::uint64_t size = size_of(path);
  const ArtifactId id = artifact_id_of_file(path);
  if (state_->is_kept(id)) return id;
  std::ifstream file(path, std::ios::binary);
  const auto read = [&](std::uint64_t offset, std::uint64_t length) {
    std::string bytes(length, '\0');
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(bytes.data(), static_cast<std::streamsize>(length));
    if (!file) throw Error(ErrorCode::unavailable, "file '" + path.string() + "' changed while it was uploaded");
    return bytes;
  };
  state_->upload(id, size, read, progress);
  return id;
}

ArtifactId Client::put_artifact_bytes(std::string_view bytes) {
  const ArtifactId id = artifact_id_of(bytes);
  if (state_->is_kept(id)) return id;
  const auto read = [&](std::uint64_t offset, std::uint64_t length) {
    return std::string(bytes.substr(offset, length));
  };
  state_->upload(id, bytes.size(), read, {});
  return id;
}

void Client::get_artifact(const ArtifactId& id, const std::filesystem::path& target, const Progress& progress) {
  // The first chunk tells the size of all.
  const GetArtifact get{id, 0, static_cast<std::uint32_t>(limits::kChunkBytes)};
  std::string first;
  const std::uint64_t size = state_->call<ArtifactChunk>(get, 0ms, &first).size;
  const auto require_length = [&](const std::string& bytes, std::uint64_t length) {
    if (bytes.size() == length) return;
    throw Error(ErrorCode::invalid, "artifact " + id.text + ": a chunk of " + std::to_string(bytes.size()) +
                                        " bytes came where " + std::to_string(length) + " were expected");
  };
  require_length(first, std::min<std::uint64_t>(limits::kChunkBytes, size));
  std::filesystem::path temporary = target;
  temporary += "." + random_word();
  struct Removal {
    const std::filesystem::path& path;
    ~Removal() {
      std::error_code ignored;
      std::filesystem::remove(path, ignored);
    }
  } removal{temporary};

  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  if (!file) throw Error(ErrorCode::unavailable, "file '" + temporary.string() + "' cannot be written");
  std::uint64_t received = 0;
  const auto take = [&](std::uint64_t offset, const std::string& bytes) {
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    received += bytes.size();
    if (progress) progress(received, size);
  };
  take(0, first);
  if (received < size) {
    state_->transfer<ArtifactChunk>(
        received, size,
        [&](std::uint64_t number, const State::Chunk& chunk) {
          return wire::encode(number, GetArtifact{id, chunk.offset, static_cast<std::uint32_t>(chunk.length)});
        },
        [&](const ArtifactChunk&, const State::Chunk& chunk, const std::string& bytes) {
          require_length(bytes, chunk.length);
          take(chunk.offset, bytes);
          return false;
        });
  }
  file.close();
  if (!file) throw Error(ErrorCode::unavailable, "file '" + temporary.string() + "' cannot be written");
  if (artifact_id_of_file(temporary) != id) {
    throw Error(ErrorCode::invalid, "artifact " + id.text + " arrived damaged: its SHA-256 differs");
  }
  std::filesystem::rename(temporary, target);
}

}  // namespace ns::api
