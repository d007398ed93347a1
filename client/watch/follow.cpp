#include "client/watch/follow.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "client/as_json.h"
#include "client/interrupt.h"
#include "client/result.h"
#include "client/watch/view.h"

namespace ns::client {

using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 60s;  // with a broker that is being started again

// Where a task's events go: shown as they come, refreshed while none comes.
class Display {
 public:
  virtual ~Display() = default;
  virtual void show(const std::vector<Event>&) = 0;
  virtual void refresh(const std::string& notice) = 0;
  virtual void finish(const TaskInfo&) = 0;
  virtual std::uint32_t wait_ms() const = 0;
};

class JsonDisplay : public Display {
 public:
  void show(const std::vector<Event>& events) override {
    for (const Event& event : events) print_json(as_json(event));
  }
  void refresh(const std::string&) override {}
  void finish(const TaskInfo& task) override { print_json({{"type", "result"}, {"task", as_json(task)}}); }
  std::uint32_t wait_ms() const override { return 5000; }
};

class PipeDisplay : public Display {
 public:
  explicit PipeDisplay(const Terminal& terminal) : terminal_(terminal) {}

  void show(const std::vector<Event>& events) override {
    for (const Event& event : events) fmt::print("{}\n", event_line(event));
    std::fflush(stdout);
  }
  void refresh(const std::string& notice) override {
    if (!notice.empty() && notice != said_) fmt::print(stderr, "{}\n", notice);
    said_ = notice;
  }
  void finish(const TaskInfo& task) override {
    fmt::print("\n");
    for (const std::string& line : result_lines(task, terminal_)) fmt::print("{}\n", line);
    std::fflush(stdout);
  }
  std::uint32_t wait_ms() const override { return 5000; }

 private:
  const Terminal& terminal_;
  std::string said_;
};

class LiveDisplay : public Display {
 public:
  LiveDisplay(std::string name, const Terminal& terminal)
      : name_(std::move(name)), terminal_(terminal), area_(terminal) {}

  void show(const std::vector<Event>& events) override {
    std::vector<std::string> lasting;
    for (const Event& event : events) {
      const auto trial = history_.running().find(event.trial);
      const std::uint64_t started = trial == history_.running().end() ? 0 : trial->second.started_ms;
      history_.apply(event);
      if (auto line = lasting_line(event, started, terminal_)) lasting.push_back(std::move(*line));
    }
    // The broker's clock is the one that counts; ours only tells how long ago its last word was.
    if (!events.empty()) heard_ = std::chrono::steady_clock::now();
    draw(lasting, {});
  }
  void refresh(const std::string& notice) override { draw({}, notice); }
  void finish(const TaskInfo& task) override {
    area_.clear();
    fmt::print("\n");
    for (const std::string& line : result_lines(task, terminal_)) fmt::print("{}\n", line);
    std::fflush(stdout);
  }
  std::uint32_t wait_ms() const override { return 500; }

 private:
  void draw(const std::vector<std::string>& lasting, const std::string& notice) {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - heard_);
    const std::uint64_t now_ms = history_.now_ms() + static_cast<std::uint64_t>(since.count());
    area_.draw(lasting, live_lines(history_, name_, now_ms, notice, terminal_, terminal_.columns(),
                                   std::max<std::size_t>(3, terminal_.rows() / 2)));
  }

  std::string name_;
  const Terminal& terminal_;
  LiveArea area_;
  History history_;
  std::chrono::steady_clock::time_point heard_ = std::chrono::steady_clock::now();
};

std::unique_ptr<Display> display_for(const TaskInfo& task, const Settings& settings) {
  if (settings.json) return std::make_unique<JsonDisplay>();
  if (!settings.terminal.live) return std::make_unique<PipeDisplay>(settings.terminal);
  return std::make_unique<LiveDisplay>(task.name.empty() ? task.kind : task.name, settings.terminal);
}

// One question about events; on a broker that does not answer, an empty answer and a notice.
class Reader {
 public:
  Reader(api::Client& client, const TaskId& task) : client_(client) { request_.task = task; }

  Events next(std::uint32_t wait_ms) {
    request_.wait_ms = wait_ms;
    try {
      Events events = client_.read_events(request_);
      if (!events.events.empty()) request_.after = events.events.back().id;
      notice_.clear();
      return events;
    } catch (const Error& problem) {
      if (!entry_of(problem.code()).retryable) throw;
      const auto now = std::chrono::steady_clock::now();
      if (notice_.empty()) lost_ = now;
      if (now - lost_ > kPatience) throw;
      notice_ = "the broker does not answer; the task goes on, waiting for the broker to come back";
      std::this_thread::sleep_for(200ms);
      return {};
    }
  }

  const std::string& notice() const { return notice_; }

 private:
  api::Client& client_;
  ReadEvents request_;
  std::string notice_;
  std::chrono::steady_clock::time_point lost_{};
};

void run(api::Client& client, const TaskId& task, Display& display) {
  Reader reader(client, task);
  for (bool first = true, ended = false; !ended;) {
    // The first answer is wanted at once, so that there is something to look at.
    const Events events = reader.next(first ? 0 : display.wait_ms());
    first = false;
    if (events.events.empty()) {
      display.refresh(reader.notice());
    } else {
      display.show(events.events);
    }
    ended = events.ended;
  }
}

}  // namespace

int follow(api::Client& client, const TaskId& id, const Settings& settings) {
  try {
    const TaskInfo before = client.get_task(id);
    const std::unique_ptr<Display> display = display_for(before, settings);
    run(client, id, *display);
    const TaskInfo task = client.get_task(id);
    display->finish(task);
    return exit_code_of(task);
  } catch (const Error& problem) {
    if (problem.code() != ErrorCode::cancelled) throw;
    throw Error(ErrorCode::cancelled,
                fmt::format("interrupted; the task goes on. Watch it again with: ns-client watch {0}\n"
                            "Cancel it with: ns-client cancel {0}",
                            id.text));
  }
}

}  // namespace ns::client
