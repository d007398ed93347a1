#include "tests/system/torture/simulated_client.h"

#include <thread>

#include "common/error.h"
#include "common/task_spec.h"

namespace ns::torture {
namespace {

using namespace std::chrono_literals;

constexpr double kSubmittedTwice = 0.15;
constexpr double kCancelled = 0.03;  // of the looks at a task
constexpr double kLookAtQueue = 0.05;

api::ClientOptions client_options(const SimulatedClientOptions& given, const volatile bool& ending) {
  api::ClientOptions options;
  options.endpoints = given.endpoints;
  options.deadline = 4s;
  options.attempt = 700ms;
  options.interrupted = [&ending] { return ending; };
  return options;
}

std::filesystem::path own_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

}  // namespace

SimulatedClient::SimulatedClient(SimulatedClientOptions options)
    : options_(std::move(options)),
      journal_(options_.journal),
      random_(options_.seed),
      client_(client_options(options_, ending_)) {}

void SimulatedClient::run() {
  while (!ending_) {
    try {
      step();
    } catch (const Error& error) {
      // No answer, or one that says so: nothing was promised.
      journal_.write({{"what", "no answer"}, {"error", error.what()}});
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(between(random_, 5, 40)));
  }
}

void SimulatedClient::step() {
  if (open_.size() < options_.open_tasks) return submit_new();
  if (happens(random_, kLookAtQueue)) return read_queue();
  const std::size_t index = between(random_, 0, open_.size() - 1);
  if (!open_[index].accepted) {
    // Whether it was accepted is not known: the same submission again tells. Or nobody ever asks.
    if (happens(random_, 0.8)) return submit(open_[index]);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
    return;
  }
  if (happens(random_, kCancelled)) return cancel(open_[index]);
  if (read(open_[index])) open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
}

void SimulatedClient::submit_new() {
  OpenTask task;
  task.submission = happens(random_, options_.real) ? make_real() : make_simulated();
  const SubmitTask& submission = task.submission;
  const Json spec = Json::parse(submission.spec);
  journal_.write({{"what", "submit"},
                  {"task", submission.task.text},
                  {"kind", submission.kind},
                  {"priority", submission.priority},
                  {"workers", submission.workers},
                  {"max_attempts", submission.max_attempts},
                  {"trials", spec.value("trials", 0)},
                  {"end", spec.value("end", "")}});
  open_.push_back(std::move(task));
  submit(open_.back());
  if (happens(random_, kSubmittedTwice)) submit(open_.back());
}

void SimulatedClient::submit(OpenTask& task) {
  client_.submit(task.submission);
  journal_.write({{"what", "accepted"}, {"task", task.submission.task.text}});
  task.accepted = true;
}

void SimulatedClient::cancel(const OpenTask& task) {
  const std::string& id = task.submission.task.text;
  journal_.write({{"what", "cancel"}, {"task", id}});
  client_.cancel_task(task.submission.task);
  journal_.write({{"what", "cancelled"}, {"task", id}});
}

bool SimulatedClient::read(OpenTask& task) {
  const TaskId& id = task.submission.task;
  ReadEvents request;
  request.task = id;
  request.after = task.after;
  const Events events = client_.read_events(request);
  if (!events.events.empty()) task.after = events.events.back().id;
  const TaskInfo info = client_.get_task(id);
  if (!is_final(info.state)) return false;
  for (const TrialInfo& trial : client_.all_trials(id)) {
    journal_.write({{"what", "saw trial"},
                    {"task", id.text},
                    {"number", trial.number},
                    {"state", to_text(trial.state)},
                    {"result", trial.result}});
  }
  journal_.write({{"what", "saw task"}, {"task", id.text}, {"state", to_text(info.state)}, {"result", info.result}});
  return true;
}

void SimulatedClient::read_queue() {
  client_.get_queue();
  client_.list_workers();
  client_.list_tasks({});
}

SubmitTask SimulatedClient::make_simulated() {
  SubmitTask submission;
  submission.task = make_task_id();
  submission.kind = kSimulatedKind;
  submission.spec = make_spec(random_).dump();
  submission.name = "torture";
  submission.priority = static_cast<std::uint32_t>(between(random_, 1, 3));
  submission.workers =
      static_cast<std::uint32_t>(happens(random_, 0.3) ? between(random_, 10, 40) : between(random_, 1, 4));
  submission.max_attempts = static_cast<std::uint32_t>(between(random_, 2, 6));
  return submission;
}

SubmitTask SimulatedClient::make_real() {
  const std::vector<std::string> command = {own_folder() / "trial_program", "linger",
                                            std::to_string(between(random_, 0, 300))};
  const std::string yaml = "kind: experiment\ncommand: " + Json(command).dump() +
                           "\nsearch_space: {x: {_type: uniform, _value: [0, 1]}}\nseed: 3\nworkers: " +
                           std::to_string(between(random_, 1, 3)) +
                           "\nstop: {max_trials: " + std::to_string(between(random_, 1, 5)) + "}\n";
  const TaskFile file = parse_task(yaml, own_folder());
  SubmitTask submission;
  submission.task = make_task_id();
  submission.kind = file.kind;
  submission.spec = file.spec;
  submission.name = "torture";
  submission.priority = static_cast<std::uint32_t>(between(random_, 1, 3));
  submission.workers = file.workers;
  submission.max_attempts = 4;
  return submission;
}

}  // namespace ns::torture
