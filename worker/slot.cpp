#include "worker/slot.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "common/error.h"
#include "common/limits.h"
#include "common/log.h"
#include "worker/runner/process_tree.h"

namespace ns::worker {
namespace {

using namespace std::chrono_literals;

constexpr auto kGrace = 2s;  // between asking a runner to stop and killing it
constexpr std::chrono::milliseconds kFirstRestart = 100ms,
                                    kSlowestRestart = 5s;  // of a runner that dies before it is ready

std::string within(std::string text) {
  if (text.size() > limits::kMaxTextBytes / 2) text.resize(limits::kMaxTextBytes / 2);  // room for what JSON escapes
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) != 0) text.pop_back();  // no half character
  return text;
}

}  // namespace

Slot::Slot(net::PollLoop& loop, JobKind kind, RunnerSettings settings, std::uint64_t memory_limit, Callbacks callbacks)
    : loop_(loop),
      kind_(kind),
      settings_(std::move(settings)),
      memory_limit_(memory_limit),
      callbacks_(std::move(callbacks)) {
  start_child();
}

Slot::~Slot() {
  stop_watching();
  child_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(settings_.work_folder, ignored);
}

void Slot::start_child() {
  restart_ = 0;
  ready_ = false;
  try {
    child_ = std::make_unique<Child>();
  } catch (const Error& failure) {
    log::error("{}", failure.what());
    replace_child();
    return;
  }
  RunnerMessage message;
  message.type = "settings";
  message.settings = settings_;
  child_->channel().send(encode(message));
  watch_channel();
  output_open_ = true;
  loop_.watch(child_->output(), {true, false}, [this](net::PollLoop::Ready) {
    if (child_->take_output()) return;
    loop_.unwatch(child_->output());
    output_open_ = false;
  });
}

void Slot::stop_watching() {
  if (restart_ != 0) loop_.cancel(restart_);
  restart_ = 0;
  if (running_) {
    loop_.cancel(running_->time_limit);
    loop_.cancel(running_->grace);
  }
  if (!child_) return;
  loop_.unwatch(child_->channel().descriptor());
  if (output_open_) loop_.unwatch(child_->output());
  output_open_ = false;
}

void Slot::watch_channel() {
  Channel& channel = child_->channel();
  loop_.watch(channel.descriptor(), {true, channel.wants_to_write()}, [this](net::PollLoop::Ready ready) {
    if (ready.writable) {
      child_->channel().flush();
      if (!child_->channel().wants_to_write()) watch_channel();
    }
    if (ready.readable) listen();
  });
}

void Slot::listen() {
  try {
    while (const std::optional<std::string> text = child_->channel().receive()) take(decode_runner_message(*text));
  } catch (const Error& failure) {
    log::error("{}: {}", settings_.name, failure.what());
    child_->kill();
  }
  // A runner that has closed its end is about to die; SIGCHLD says how. Until then its end must not wake us.
  if (child_->channel().closed()) loop_.unwatch(child_->channel().descriptor());
}

void Slot::take(const RunnerMessage& message) {
  if (message.type == "ready") {
    ready_ = true;
    failed_starts_ = 0;
    callbacks_.freed();
  }
  if (message.type == "metric" && running_ && !running_->wanted && message.body.size() <= limits::kMaxParametersBytes) {
    callbacks_.metric({running_->job.job, running_->job.token, running_->metrics++, message.body});
  }
  if (message.type == "result" && running_) end(message.result);
}

void Slot::start(Job job) {
  running_.emplace();
  running_->job = std::move(job);
  RunnerMessage message;
  message.type = "job";
  message.job = running_->job;
  child_->channel().send(encode(message));
  watch_channel();
  const std::chrono::milliseconds limit(running_->job.time_limit_ms);
  if (limit.count() <= 0) return;
  running_->time_limit = loop_.after(limit, [this, limit] {
    kill(Outcome::crashed, fmt::format("time limit of {} s exceeded", static_cast<double>(limit.count()) / 1000));
  });
}

void Slot::stop(Outcome outcome, const std::string& reason) {
  if (!running_ || running_->wanted) return;
  running_->wanted = outcome;
  running_->reason = reason;
  RunnerMessage message;
  message.type = "stop";
  child_->channel().send(encode(message));
  watch_channel();
  running_->grace = loop_.after(kGrace, [this] { child_->kill(); });
}

void Slot::kill(Outcome outcome, const std::string& reason) {
  if (!running_) return;
  if (!running_->wanted) {
    running_->wanted = outcome;
    running_->reason = reason;
  }
  child_->kill();
}

void Slot::forget() {
  if (!running_) return;
  running_->silent = true;
  child_->kill();
}

void Slot::end(JobResult result) {
  loop_.cancel(running_->time_limit);
  loop_.cancel(running_->grace);
  const Running ended = std::move(*running_);
  running_.reset();
  if (!ended.silent) {
    result.job = ended.job.job;
    result.token = ended.job.token;
    if (ended.wanted) {
      result.outcome = *ended.wanted;
      result.result.clear();
      result.error = ended.reason;
    }
    result.error = within(std::move(result.error));
    callbacks_.ended(*this, std::move(result));
  }
  if (free()) callbacks_.freed();
}

void Slot::check_child() {
  if (!child_) return;
  const std::string how = child_->reap();
  if (how.empty()) return;
  if (output_open_) child_->take_output();
  if (!child_->channel().closed()) listen();  // a result that was sent before the end still counts
  const std::string last = child_->last_lines();
  stop_watching();
  if (!ready_) ++failed_starts_;
  ready_ = false;
  if (running_) {
    JobResult result;
    result.outcome = Outcome::crashed;
    result.error = fmt::format("the runner {}{}", how, last.empty() ? "" : "; it said last:\n" + last);
    if (running_->wanted == Outcome::crashed && !last.empty()) running_->reason += "; the runner said last:\n" + last;
    end(std::move(result));
  } else {
    log::warning("{}: the runner {}", settings_.name, how);
  }
  child_.reset();
  replace_child();
}

void Slot::replace_child() {
  if (failed_starts_ == 0) {
    start_child();
    return;
  }
  const auto delay = std::min(kSlowestRestart, kFirstRestart * (1 << std::min(failed_starts_, 10)));
  restart_ = loop_.after(delay, [this] { start_child(); });
}

void Slot::check_memory() {
  if (!running_ || running_->wanted || !child_) return;
  const std::uint64_t limit = running_->job.memory_limit_bytes != 0 ? running_->job.memory_limit_bytes : memory_limit_;
  if (limit == 0) return;
  const std::uint64_t used = resident_bytes_of_tree(child_->process());
  if (used > limit)
    kill(Outcome::crashed, fmt::format("memory limit of {} bytes exceeded: {} bytes in use", limit, used));
}

}  // namespace ns::worker
