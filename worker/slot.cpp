#include "worker/slot.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "common/error.h"
#include "common/limits.h"
#include "common/log.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

constexpr auto kGrace = 2s;  // between asking a runner to stop and killing it
constexpr std::chrono::milliseconds kFirstRestart = 100ms,
                                    kSlowestRestart = 5s;           // of a runner that dies before it is ready
constexpr std::uint64_t kLongestLimit = 366ull * 24 * 3600 * 1000;  // ms; what is longer is none
constexpr std::chrono::nanoseconds kLong = 50ms;  // a job that takes longer lets no other wait behind it

}  // namespace

Slot::Slot(net::PollLoop& loop, Options options, RunnerSettings settings, Callbacks callbacks)
    : loop_(loop),
      options_(options),
      settings_(std::move(settings)),
      callbacks_(std::move(callbacks)),
      pace_(options.prefetch) {
  start_child();
}

Slot::~Slot() {
  for (const Held& held : held_) loop_.cancel(held.grace);
  stop_watching();
  child_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(settings_.work_folder, ignored);
}

// ---- the child

void Slot::start_child() {
  restart_ = 0;
  ready_ = false;
  sent_ = paced_ = 0;
  spent_ = 0ns;
  try {
    child_ = std::make_unique<Child>();
  } catch (const Error& failure) {
    log::error("{}", failure.what());
    ++failed_starts_;
    replace_child();
    return;
  }
  child_->channel().send(encode_settings(settings_));
  open_or_close_gate();
  watch_channel();
  output_open_ = true;
  loop_.watch(child_->output(), {true, false}, [this](net::PollLoop::Ready) {
    if (child_->take_output()) return;
    loop_.unwatch(child_->output());
    output_open_ = false;
  });
}

void Slot::stop_watching() {
  loop_.cancel(std::exchange(restart_, 0));
  loop_.cancel(std::exchange(look_, 0));
  if (!child_) return;
  loop_.unwatch(child_->channel().descriptor());
  if (output_open_) loop_.unwatch(child_->output());
  output_open_ = false;
}

void Slot::watch_channel() {
  Channel& channel = child_->channel();
  waits_to_write_ = channel.wants_to_write();
  loop_.watch(channel.descriptor(), {true, waits_to_write_}, [this](net::PollLoop::Ready ready) {
    if (ready.writable) {
      child_->channel().flush();
      if (!child_->channel().wants_to_write()) watch_channel();
    }
    if (ready.readable) listen();
  });
}

// A bounded part of what is there; the loop calls again for the rest.
void Slot::listen() {
  Channel& channel = child_->channel();
  try {
    channel.read();
    while (const auto bytes = channel.next()) take(read_message(*bytes));
  } catch (const Error& failure) {
    log::error("{}: {}", settings_.name, failure.what());
    child_->kill();
  }
  learn_pace();
  // A runner that has closed its end is about to die; SIGCHLD says how. Until then its end must not wake us.
  if (channel.closed()) loop_.unwatch(channel.descriptor());
  if (!held_.empty()) look_soon();
  callbacks_.changed();
}

void Slot::take(const RunnerMessage& message) {
  if (message.type == MessageType::ok) {
    ready_ = true;
    failed_starts_ = 0;
  }
  if (message.type == MessageType::report_metrics) {
    for (Metric& metric : wire::decode<ReportMetrics>(message.body).metrics) take(std::move(metric));
  }
  if (message.type == MessageType::report_results) {
    for (JobResult& result : wire::decode<ReportResults>(message.body).results) take(std::move(result));
  }
}

void Slot::take(Metric metric) {
  const auto held = find(metric.job, metric.token);
  if (held != held_.end() && !held->wanted && !held->silent) callbacks_.metric(std::move(metric));
}

void Slot::take(JobResult result) {
  const auto held = find(result.job, result.token);
  if (held == held_.end()) return;
  if (result.outcome == Outcome::handed_back) result.error = held->reason;
  end(held, std::move(result));
}

void Slot::learn_pace() {
  const std::uint64_t ended = child_->progress().ended.load(std::memory_order_acquire);
  const std::chrono::nanoseconds spent(child_->progress().spent.load(std::memory_order_relaxed));
  pace_.add(ended - paced_, spent - spent_);
  paced_ = ended;
  spent_ = spent;
}

void Slot::check_child() {
  if (!child_) return;
  const std::string how = child_->reap();
  if (how.empty()) return;
  if (output_open_) child_->take_output();
  const std::string last = child_->last_lines();
  try {  // results that were sent before the end still count
    while (child_->channel().read()) {
    }
    while (const auto bytes = child_->channel().next()) take(read_message(*bytes));
  } catch (const Error& failure) {
    log::error("{}: {}", settings_.name, failure.what());
  }
  stop_watching();
  if (!ready_) ++failed_starts_;
  ready_ = false;
  if (held_.empty()) log::warning("{}: the runner {}", settings_.name, how);
  end_all(how, last);
  child_.reset();
  replace_child();
}

// The child has died: of the job that it was at, or was about to begin. The others had no part in it.
void Slot::end_all(const std::string& how, const std::string& last) {
  const std::uint64_t begun = child_->progress().begun.load(std::memory_order_acquire);
  const bool open = boot_time() < std::chrono::nanoseconds(child_->progress().begin_until.load());
  const Held* guilty = running();
  if (guilty == nullptr && open && !held_.empty() && held_.front().number > begun) guilty = &held_.front();
  const std::uint64_t guilty_number = guilty == nullptr ? 0 : guilty->number;
  while (!held_.empty()) {
    Held& held = held_.front();
    JobResult result;
    if (held.number == guilty_number) {
      result.outcome = Outcome::crashed;
      result.error = fmt::format("the runner {}{}", how, last.empty() ? "" : "; it said last:\n" + last);
      if (held.wanted == Outcome::crashed && !last.empty()) held.reason += "; the runner said last:\n" + last;
    } else {
      result.outcome = Outcome::handed_back;
      result.error = fmt::format("another job's runner {}", how);
    }
    end(held_.begin(), std::move(result));
  }
}

void Slot::replace_child() {
  if (failed_starts_ == 0) {
    start_child();
    return;
  }
  const auto delay = std::min(kSlowestRestart, kFirstRestart * (1 << std::min(failed_starts_, 10)));
  restart_ = loop_.after(delay, [this] { start_child(); });
}

// ---- jobs

std::deque<Slot::Held>::iterator Slot::find(const JobId& job, std::uint64_t token) {
  return std::find_if(held_.begin(), held_.end(),
                      [&](const Held& held) { return held.token == token && held.job == job; });
}

const Slot::Held* Slot::running() const {
  if (!child_ || held_.empty()) return nullptr;
  const std::uint64_t begun = child_->progress().begun.load(std::memory_order_acquire);
  const auto found = std::lower_bound(held_.begin(), held_.end(), begun,
                                      [](const Held& held, std::uint64_t number) { return held.number < number; });
  return found != held_.end() && found->number == begun ? &*found : nullptr;
}

std::size_t Slot::room() const {
  if (!ready_) return 0;
  const std::size_t most = 1 + (long_ != 0 ? 0 : pace_.ahead());
  return most > held_.size() ? most - held_.size() : 0;
}

void Slot::list(std::vector<HeldJob>& all) const {
  for (const Held& held : held_) {
    if (!held.silent) all.push_back({held.job, held.token});
  }
}

void Slot::take(LeasedJob leased) {
  if (!outgoing_.has_room_for(leased)) send();
  Held held;
  held.job = leased.job.job;
  held.token = leased.job.token;
  held.number = ++sent_;
  held.time_limit = std::chrono::milliseconds(std::min(leased.job.time_limit_ms, kLongestLimit));
  held.memory_limit = leased.job.memory_limit_bytes;
  if (held_.empty()) front_since_ = steady_time();
  held_.push_back(std::move(held));
  outgoing_.add(std::move(leased));
}

void Slot::send() {
  if (outgoing_.empty()) return;
  child_->channel().send(encode(outgoing_.take()));
  if (child_->channel().wants_to_write() != waits_to_write_) watch_channel();
  look_soon();
}

void Slot::ask_to_stop(Held& held, Outcome asked) {
  child_->channel().send(encode(StopJob{held.job, held.token, asked}));
  if (child_->channel().wants_to_write() != waits_to_write_) watch_channel();
}

void Slot::stop(const JobId& job, std::uint64_t token, Outcome outcome, const std::string& reason) {
  const auto held = find(job, token);
  if (held == held_.end() || held->wanted || held->silent) return;
  held->wanted = outcome;
  held->reason = reason;
  ask_to_stop(*held, outcome);
  held->grace = loop_.after(kGrace, [this] { child_->kill(); });
}

void Slot::forget(const JobId& job, std::uint64_t token) {
  const auto held = find(job, token);
  if (held == held_.end() || held->silent) return;
  held->silent = true;
  open_or_close_gate();
  if (&*held == running()) {
    child_->kill();
  } else if (held->grace == 0) {
    ask_to_stop(*held, Outcome::cancelled);
    held->grace = loop_.after(kGrace, [this] { child_->kill(); });
  }
}

void Slot::hand_back_unbegun(const std::string& reason) {
  if (!child_) return;
  const std::uint64_t begun = child_->progress().begun.load(std::memory_order_acquire);
  for (Held& held : held_) {
    if (held.number <= begun || held.wanted || held.silent || !held.reason.empty()) continue;
    held.reason = reason;
    ask_to_stop(held, Outcome::handed_back);
  }
}

void Slot::kill(Outcome outcome, const std::string& reason) {
  if (held_.empty()) return;
  const Held* const current = running();
  Held& held = current == nullptr ? held_.front() : *find(current->job, current->token);
  if (!held.wanted) {
    held.wanted = outcome;
    held.reason = reason;
  }
  child_->kill();
}

void Slot::end(std::deque<Held>::iterator place, JobResult result) {
  loop_.cancel(place->grace);
  const Held ended = std::move(*place);
  held_.erase(place);
  front_since_ = steady_time();
  if (ended.number == long_) long_ = 0;
  if (ended.silent) {
    open_or_close_gate();
    return;
  }
  result.job = ended.job;
  result.token = ended.token;
  if (ended.wanted) {
    result.outcome = *ended.wanted;
    result.result.clear();
    result.error = ended.reason;
  }
  result.error = as_error_text(std::move(result.error));
  callbacks_.ended(std::move(result));
}

// ---- leases and limits

void Slot::trust_until(std::chrono::nanoseconds until) {
  trusted_until_ = until;
  open_or_close_gate();
}

// While the runner may still hold a job whose lease is lost, it begins none at all.
void Slot::open_or_close_gate() {
  if (!child_) return;
  const bool lost = std::any_of(held_.begin(), held_.end(), [](const Held& held) { return held.silent; });
  child_->progress().begin_until.store(lost ? 0 : trusted_until_.count(), std::memory_order_release);
}

// A runner that has not begun although it may counts as running: it may be stuck.
std::chrono::nanoseconds Slot::running_for(const Held& held) const {
  const Progress& progress = child_->progress();
  const bool begun = held.number == progress.begun.load(std::memory_order_acquire);
  const std::chrono::nanoseconds since(begun ? progress.begun_at.load(std::memory_order_relaxed)
                                             : front_since_.count());
  return steady_time() - since;
}

void Slot::look_in(std::chrono::nanoseconds delay) {
  if (delay <= 0ns) return;
  const std::chrono::nanoseconds due = steady_time() + delay;
  if (look_ != 0 && look_due_ <= due) return;
  loop_.cancel(look_);
  look_ = loop_.after(delay, [this] { look(); });
  look_due_ = due;
}

// REQUIRES: something is held.
void Slot::look_soon() {
  const bool others_may_wait = held_.size() > 1 || (long_ == 0 && pace_.ahead() > 0);
  look_in(others_may_wait ? kLong : std::chrono::nanoseconds(held_.front().time_limit));
}

void Slot::look() {
  look_ = 0;
  if (!child_ || held_.empty()) return;
  const Held* const begun = running();
  const Held& current = begun == nullptr ? held_.front() : *begun;
  const std::chrono::nanoseconds elapsed = running_for(current), limit = current.time_limit;
  if (begun == nullptr && boot_time() >= std::chrono::nanoseconds(child_->progress().begin_until.load())) {
    look_in(kLong);  // it may not begin
    return;
  }
  if (limit > 0ns && elapsed >= limit) {
    kill(Outcome::crashed,
         fmt::format("time limit of {} s exceeded", std::chrono::duration<double>(current.time_limit).count()));
    return;
  }
  if (elapsed >= kLong) {
    long_ = current.number;
    hand_back_unbegun("the job before it takes long");
  } else {
    look_in(kLong - elapsed);
  }
  if (limit > 0ns) look_in(limit - elapsed);
}

std::optional<Slot::MemoryUser> Slot::memory_user() const {
  const Held* const held = running();
  if (held == nullptr || held->wanted || held->silent || memory_limit_of(*held) == 0) return std::nullopt;
  return MemoryUser{child_->process(), held->number};
}

std::uint64_t Slot::memory_limit_of(const Held& held) const {
  return held.memory_limit != 0 ? held.memory_limit : options_.memory_limit;
}

void Slot::check_memory(const MemoryUser& user, std::uint64_t used) {
  const std::optional<MemoryUser> now = memory_user();
  if (!now || now->process != user.process || now->number != user.number) return;  // it has ended meanwhile
  const std::uint64_t limit = memory_limit_of(*running());
  if (used > limit)
    kill(Outcome::crashed, fmt::format("memory limit of {} bytes exceeded: {} bytes in use", limit, used));
}

}  // namespace ns::worker
