#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"
#include "client/result.h"
#include "client/terminal/text.h"
#include "client/watch/follow.h"
#include "client/watch/history.h"
#include "common/error.h"
#include "common/limits.h"
#include "common/task_spec.h"

namespace ns::client {

using nlohmann::json;
using namespace std::chrono_literals;

namespace {

constexpr auto kCheckPatience = 60s;  // with workers there that are busy with other tasks
constexpr auto kWorkerPatience = 3s;  // with no worker there at all
constexpr auto kLookPatience = 1s;    // before asking whether anyone can be expected to look at it
constexpr std::uint32_t kLook = 500;  // milliseconds

// Uploads are announced once they take longer than a moment, and only to a person.
class UploadBar {
 public:
  explicit UploadBar(std::string name) : name_(std::move(name)), terminal_(terminal_of(2)), area_(terminal_) {}

  void operator()(std::uint64_t done, std::uint64_t all) {
    if (!terminal_.live || std::chrono::steady_clock::now() - begun_ < 300ms) return;
    const double fraction = all ? static_cast<double>(done) / static_cast<double>(all) : 1.0;
    area_.draw({}, {fmt::format("uploading {}  {}  {} of {}", name_,
                                progress_bar(fraction, terminal_.columns() / 4, terminal_.unicode), bytes_text(done),
                                bytes_text(all))});
  }

 private:
  std::string name_;
  Terminal terminal_;
  LiveArea area_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// By the service's clock, whatever this machine's says.
std::uint64_t delay_of(api::Client& client, const TaskFile& file) {
  const auto delay = static_cast<std::uint64_t>(file.delay.count()),
             begin = static_cast<std::uint64_t>(file.begin.count());
  if (begin == 0) return delay;
  const std::uint64_t now = client.ping().now_ms;
  const std::uint64_t ahead = begin > now ? begin - now : 0;
  if (ahead > limits::kMaxDelayMs) {
    throw Error(ErrorCode::invalid, fmt::format("begin: it is {} ahead; expected 366d at most", duration_text(ahead)),
                "begin");
  }
  return std::max(delay, ahead);
}

SubmitTask upload(api::Client& client, const TaskFile& file) {
  std::vector<std::string> artifacts;
  for (const FileField& field : file.files) {
    UploadBar bar(printable(field.file.filename().string()));
    artifacts.push_back(client.put_artifact(field.file, std::ref(bar)).text);
  }
  SubmitTask request;
  request.task = make_task_id();
  request.kind = file.kind;
  request.spec = with_artifacts(file, artifacts);
  request.name = file.name;
  request.priority = file.priority;
  request.workers = file.workers;
  request.max_attempts = file.max_attempts;
  request.timeout_ms = static_cast<std::uint64_t>(file.timeout.count());
  request.pool = file.pool;
  request.isa = file.isa;
  request.tags = file.tags;
  request.memory_bytes = file.memory_bytes;
  request.delay_ms = delay_of(client, file);
  request.deadline_ms = static_cast<std::uint64_t>(file.deadline.count());
  return request;
}

// What became of a task in the first moments after its submission.
struct Check {
  enum class Verdict { accepted, refused, pending } verdict = Verdict::pending;
  std::string detail;  // the summary, or why nobody has looked yet
};

// A task that nobody will look at for now, and why; nothing where someone may any moment.
std::optional<std::string> why_waiting(api::Client& client, const TaskId& task) {
  const TaskInfo info = client.get_task(task);
  const std::uint64_t now_ms = client.ping().now_ms;
  if (info.state != TaskState::pending) return std::nullopt;
  if (info.begins_ms > now_ms) return "it begins in " + duration_text(info.begins_ms - now_ms);
  if (info.unserved && !client.list_workers().workers.empty()) {
    return fmt::format("no connected worker can serve it; what it needs: ns-client status {}", task.text);
  }
  return std::nullopt;
}

std::string why_pending(api::Client& client) {
  return client.list_workers().workers.empty()
             ? "no worker is connected; the task waits for one"
             : "the workers are busy with other tasks; this one is checked when its turn comes";
}

// Reads the task's events until a worker has checked model and data, or nobody can be expected to for now.
Check wait_for_check(api::Client& client, const TaskId& task) {
  const auto begun = std::chrono::steady_clock::now();
  ReadEvents request;
  request.task = task;
  request.wait_ms = kLook;
  for (;;) {
    const Events events = client.read_events(request);
    for (const Event& event : events.events) {
      request.after = event.id;
      if (event.type == "task.checked") return {Check::Verdict::accepted, event_detail(event)};
      if (event.type == "task.failed" || event.type == "task.cancelled") return {Check::Verdict::refused, {}};
      if (event.type == "task.done") return {Check::Verdict::accepted, event_detail(event)};
    }
    const auto waited = std::chrono::steady_clock::now() - begun;
    if (waited > kCheckPatience) return {Check::Verdict::pending, why_pending(client)};
    if (waited > kLookPatience) {
      if (const auto reason = why_waiting(client, task)) return {Check::Verdict::pending, *reason};
    }
    if (waited > kWorkerPatience && client.list_workers().workers.empty()) {
      return {Check::Verdict::pending, why_pending(client)};
    }
  }
}

int refused(api::Client& client, const TaskId& id) {
  const TaskInfo task = client.get_task(id);
  const TaskProblem problem = problem_of(task.error);
  const std::string message =
      problem.message.empty() ? fmt::format("the task is {}", to_text(task.state)) : problem.message;
  const int status = exit_code_of(task);
  const bool named = problem.field.empty() || message.find(problem.field) != std::string::npos;
  throw Error(status == 2 ? ErrorCode::invalid : ErrorCode::internal,
              fmt::format("task {} was refused: {}{}", id.text, named ? "" : problem.field + ": ", printable(message)),
              problem.field);
}

void say_accepted(const TaskId& id, const Check& check, bool json_wanted) {
  if (json_wanted) {
    print_json({{"task", id.text}, {"checked", check.verdict == Check::Verdict::accepted}, {"detail", check.detail}});
    return;
  }
  fmt::print("{}\n", id.text);
  std::fflush(stdout);
  if (!check.detail.empty()) fmt::print(stderr, "{}\n", check.detail);
  fmt::print(stderr, "watch it with: ns-client watch {}\n", id.text);
}

int submit(const Settings& settings, const std::string& path, bool wait) {
  const TaskFile file = read_task_file(path);
  const auto client = connect(settings);
  const SubmitTask request = upload(*client, file);
  client->submit(request);
  try {
    if (wait) {
      if (settings.json) {
        print_json({{"type", "submitted"}, {"task", request.task.text}});
      } else {
        fmt::print("{}\n", request.task.text);
        std::fflush(stdout);
      }
      return follow(*client, request.task, settings);
    }
    const Check check = wait_for_check(*client, request.task);
    if (check.verdict == Check::Verdict::refused) return refused(*client, request.task);
    say_accepted(request.task, check, settings.json);
    return 0;
  } catch (const Error& problem) {
    if (problem.code() != ErrorCode::cancelled || wait) throw;
    throw Error(ErrorCode::cancelled,
                fmt::format("interrupted; the task was submitted and goes on. Watch it with: ns-client watch {0}\n"
                            "Cancel it with: ns-client cancel {0}",
                            request.task.text));
  }
}

}  // namespace

void add_submit(CommandLine& line) {
  struct Values {
    std::string file;
    bool wait = false;
  };
  Command& command = line.add("submit", "Submit a task file; prints the task's id");
  const auto values = std::make_shared<Values>();
  command.argument("FILE", values->file, "Task file, YAML or JSON; its fields: ns-client schema --markdown");
  command.flag("--wait", values->wait, "Watch the task until it ends, and show its result");
  command.footer(
      "Files that the task names are uploaded. Returns once a worker has checked model and data, so that wrong\n"
      "input is refused here (exit status 2).\n"
      "Example: id=$(ns-client submit task.yaml) && ns-client watch $id");
  command.run([values](const Settings& settings) { return submit(settings, values->file, values->wait); });
}

}  // namespace ns::client
