#include "worker/worker.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <random>
#include <utility>

#include "common/error.h"
#include "common/log.h"
#include "worker/tasks/task_kind.h"

namespace ns::worker {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kMemoryCheck = 200ms;
constexpr auto kAfterHandingBack = 10s;  // for results to be acknowledged before a draining worker gives up
constexpr auto kDrainCheck = 50ms;
constexpr int kKilledStatus = 130;

WorkerId make_worker_id() {
  std::random_device random;
  return {fmt::format("{}-{}-{:08x}", host_name(), ::getpid(), random())};
}

// Folders of workers that were killed and could not clean up.
void remove_abandoned(const fs::path& folder) {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    pid_t process = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), process);
    const bool ours = failure == std::errc{} && process > 0;
    std::error_code failed;
    if (ours && ::kill(process, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), failed);
  }
}

}  // namespace

// SIGCHLD, SIGTERM and SIGINT as something to read. Blocked before any thread starts, so that none takes them.
class Worker::Signals {
 public:
  Signals() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (int number : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&wanted, number);
    ::pthread_sigmask(SIG_BLOCK, &wanted, &before_);
    descriptor_ = ::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    if (descriptor_ < 0) throw Error(ErrorCode::unavailable, "signals cannot be watched (signalfd)");
  }
  ~Signals() {
    ::close(descriptor_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int descriptor() const { return descriptor_; }

  int next() const {  // 0: none
    signalfd_siginfo information{};
    return ::read(descriptor_, &information, sizeof information) == sizeof information
               ? static_cast<int>(information.ssi_signo)
               : 0;
  }

 private:
  int descriptor_ = -1;
  sigset_t before_{};
};

Worker::Worker(WorkerOptions options)
    : options_(std::move(options)), id_(make_worker_id()), signals_(std::make_unique<Signals>()) {
  std::error_code failure;
  fs::create_directories(options_.cache / "work", failure);
  if (failure) {
    throw Error(ErrorCode::invalid,
                fmt::format("--cache: {} cannot be made: {}", options_.cache.string(), failure.message()), "--cache");
  }
  remove_abandoned(options_.cache / "work");
  make_slots();  // before the link and the watch, which start threads
  make_link();
  memory_ = std::make_unique<MemoryWatch>();
  loop_.watch(signals_->descriptor(), {true, false}, [this](net::PollLoop::Ready) {
    while (const int number = signals_->next()) {
      if (number == SIGCHLD) {
        for (const auto& slot : slots_) slot->check_child();
      } else if (draining_) {
        end_at_once();
      } else {
        drain();
      }
    }
  });
  loop_.every(kMemoryCheck, [this] { check_memory(); });
  loop_.at_turn_end([this] {
    if (std::exchange(rooms_changed_, false)) offer();
    link_->flush();
  });
}

Worker::~Worker() {
  loop_.unwatch(signals_->descriptor());
  slots_.clear();
  std::error_code ignored;
  fs::remove_all(work_folder(), ignored);
}

int Worker::run() {
  loop_.run();
  return killed_ ? kKilledStatus : 0;
}

fs::path Worker::work_folder() const {
  return fs::absolute(options_.cache) / "work" /
         fmt::format("{}-{}", ::getpid(), id_.text.substr(id_.text.rfind('-') + 1));
}

void Worker::make_slots() {
  const std::vector<CpuList> shares = share_out(options_.cpus, options_.slots);
  for (std::size_t index = 0; index < options_.slots + options_.control_slots; ++index) {
    const bool compute = index < options_.slots;
    RunnerSettings settings;
    settings.worker = id_;
    settings.name = compute ? fmt::format("slot {}", index) : fmt::format("control slot {}", index - options_.slots);
    settings.log_level = options_.log_level;
    settings.endpoints = options_.endpoints;
    settings.key = options_.key;
    settings.broker_key = options_.broker_key;
    settings.cache_folder = (fs::absolute(options_.cache) / "artifacts").string();
    settings.cache_bytes = options_.cache_bytes;
    settings.work_folder = (work_folder() / std::to_string(index)).string();
    settings.cpus = compute ? shares[index] : options_.cpus;
    Slot::Callbacks callbacks;
    callbacks.ended = [this](JobResult result) { ended(std::move(result)); };
    callbacks.metric = [this](Metric metric) { link_->report(std::move(metric)); };
    callbacks.changed = [this] { rooms_changed_ = true; };
    Slot::Options options;
    options.kind = compute ? JobKind::trial : JobKind::task;
    options.prefetch = compute ? options_.prefetch : 0;
    options.memory_limit = options_.memory_limit;
    slots_.push_back(std::make_unique<Slot>(loop_, options, std::move(settings), std::move(callbacks)));
  }
}

void Worker::make_link() {
  Hello hello;
  hello.worker = id_;
  hello.host = host_name();
  hello.pid = static_cast<std::uint32_t>(::getpid());
  hello.cpus = to_text(options_.cpus);
  hello.isa = isa_of_this_machine();
  for (const tasks::TaskKind& kind : tasks::all_kinds()) hello.kinds.emplace_back(kind.name);
  hello.compute_slots = static_cast<std::uint32_t>(options_.slots);
  hello.control_slots = static_cast<std::uint32_t>(options_.control_slots);
  hello.version = NS_VERSION;
  hello.protocol_minor = kProtocolMinor;
  hello.pool = options_.pool;
  hello.tags = options_.tags;
  hello.memory_bytes = memory_of_this_machine();
  if (options_.memory_limit > 0) hello.memory_bytes = std::min(hello.memory_bytes, options_.memory_limit);
  BrokerLink::Callbacks callbacks;
  callbacks.welcomed = [this] {
    rooms_changed_ = true;
    if (announced_) return;
    announced_ = true;
    std::printf("ns-worker ready %s\n", id_.text.c_str());
    std::fflush(stdout);
  };
  callbacks.jobs = [this](std::vector<LeasedJob> jobs) { take(std::move(jobs)); };
  callbacks.stop = [this](const JobId& job, std::uint64_t token, Outcome outcome) { stop(job, token, outcome); };
  callbacks.lost = [this](const JobId& job, std::uint64_t token) { lost(job, token); };
  callbacks.drain = [this] {
    if (!draining_) drain();
  };
  callbacks.load = [this] { return load(); };
  callbacks.trust_until = [this](std::chrono::nanoseconds until) {
    for (const auto& slot : slots_) slot->trust_until(until);
  };
  link_ =
      std::make_unique<BrokerLink>(loop_, options_.endpoints, net::read_peer_keys(options_.key, options_.broker_key),
                                   std::move(hello), std::move(callbacks));
}

Heartbeat Worker::load() const {
  Heartbeat heartbeat;
  for (const auto& slot : slots_) {
    if (slot->load() > 0) ++(slot->kind() == JobKind::task ? heartbeat.control_busy : heartbeat.compute_busy);
    slot->list(heartbeat.jobs);
  }
  return heartbeat;
}

// The one with the least to do that has room.
Slot* Worker::vacant_slot(JobKind kind) const {
  Slot* vacant = nullptr;
  for (const auto& slot : slots_) {
    if (slot->kind() != kind || slot->room() == 0) continue;
    if (vacant == nullptr || slot->load() < vacant->load()) vacant = slot.get();
  }
  return vacant;
}

void Worker::take(std::vector<LeasedJob> jobs) {
  for (LeasedJob& leased : jobs) {
    const Job& job = leased.job;
    if (const auto known = places_.find(job.job); known != places_.end()) {
      if (known->second.token == job.token) continue;  // the same lease, sent twice
      lost(job.job, known->second.token);              // an older one has ended, or there would be no new one
    }
    Slot* const vacant = draining_ ? nullptr : vacant_slot(job.kind);
    if (vacant == nullptr) {
      hand_back(job, draining_ ? "the worker is shutting down" : "no free slot");
      continue;
    }
    log::debug("{} attempt {} is taken", job.job.text, job.attempt);
    places_[job.job] = {vacant, job.token};
    vacant->take(std::move(leased));
  }
  for (const auto& slot : slots_) slot->send();
  rooms_changed_ = true;
}

void Worker::ended(JobResult result) {
  places_.erase(result.job);
  link_->report(std::move(result));
}

void Worker::hand_back(const Job& job, const std::string& reason) {
  JobResult result;
  result.job = job.job;
  result.token = job.token;
  result.outcome = Outcome::handed_back;
  result.error = reason;
  link_->report(std::move(result));
}

void Worker::stop(const JobId& job, std::uint64_t token, Outcome outcome) {
  const auto place = places_.find(job);
  if (place == places_.end() || place->second.token != token) return;
  log::info("{} is to stop: {}", job.text, to_text(outcome));
  place->second.slot->stop(job, token, outcome, std::string(to_text(outcome)));
}

void Worker::lost(const JobId& job, std::uint64_t token) {
  const auto place = places_.find(job);
  if (place == places_.end() || place->second.token != token) return;
  log::warning("the lease of {} has ended; its work is dropped", job.text);
  Slot* const slot = place->second.slot;
  places_.erase(place);
  slot->forget(job, token);
}

void Worker::offer() {
  BrokerLink::Vacancies vacancies;
  for (const auto& slot : slots_) {
    if (!draining_) (slot->kind() == JobKind::task ? vacancies.control : vacancies.compute) += slot->room();
  }
  link_->offer(vacancies);
}

void Worker::check_memory() {
  std::vector<Slot::MemoryUser> users;
  for (const auto& slot : slots_) {
    if (const auto user = slot->memory_user()) users.push_back(*user);
  }
  for (const MemoryWatch::Use& use : memory_->exchange(std::move(users))) {
    for (const auto& slot : slots_) slot->check_memory(use.user, use.bytes);
  }
}

void Worker::drain() {
  log::info("draining: no new jobs; running ones have {} s to end",
            static_cast<double>(options_.drain_timeout.count()) / 1000);
  draining_ = true;
  rooms_changed_ = true;
  for (const auto& slot : slots_) {
    slot->hand_back_unbegun("the worker is shutting down");
    // A coordinator lasts as long as its task, and may be waiting for this very worker: another takes it over.
    if (slot->kind() == JobKind::task) slot->kill(Outcome::handed_back, "the worker is shutting down");
  }
  loop_.after(options_.drain_timeout, [this] { end_drain(); });
  loop_.every(kDrainCheck, [this] { finish_drain(); });
}

void Worker::end_at_once() {
  log::warning("told twice to end: ending at once");
  killed_ = true;
  loop_.stop();
}

void Worker::end_drain() {
  for (const auto& slot : slots_)
    slot->kill(Outcome::handed_back, "the worker is shutting down and cannot wait longer");
  loop_.after(kAfterHandingBack, [this] { loop_.stop(); });
}

void Worker::finish_drain() {
  for (const auto& slot : slots_) {
    if (slot->load() > 0) return;
  }
  if (!link_->all_acknowledged()) return;
  link_->leave();
  loop_.stop();
}

}  // namespace ns::worker
