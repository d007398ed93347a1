#include "tests/bench/queue/ceiling.h"

#include <deque>
#include <functional>
#include <stdexcept>
#include <utility>

#include "broker/leased_jobs.h"
#include "broker/store/library.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/limits.h"
#include "tests/bench/queue/payload.h"
#include "tests/bench/queue/statistics.h"

namespace ns::bench {
namespace {

using broker::store::Reply;

// The functions with the arguments that the broker gives them (broker/handlers, broker/worker_sessions.cpp), for one
// worker that is its own coordinator.
class Functions {
 public:
  struct Leased {
    std::string job, token;
  };

  explicit Functions(Persistence persistence) : redis_(folder_.path(), persistence), connection_(redis_.socket()) {
    connection_.command({"FUNCTION", "LOAD", "REPLACE", broker::store::kLibrary});
    call("open", {"ceiling"});
    session_ = call("hello", {kWorker, "host", "1", "", "", kTaskKind, "1", "1", "v", "default", "", "0"}).text();
    begin_task();
  }

  // A task has room for so many trials only.
  void make_room_for(std::uint32_t trials) {
    if (next_ + trials > limits::kMaxTrials) begin_task();
  }

  void append_enqueue(std::uint32_t count) {
    Words words = call_of("enqueue", {task_, task_token_, std::to_string(limits::kMaxReadyTrials)});
    for (std::uint32_t i = 0; i < count; ++i) {
      words.push_back(std::to_string(next_++));
      words.push_back(parameters_);
      words.emplace_back();  // no limits
    }
    connection_.append(words);
  }
  void append_lease(std::uint32_t count) {
    connection_.append(call_of("lease", {lease_ms_, kWorker, session_, std::to_string(count), "0"}));
  }
  void append_commit(const std::vector<Leased>& jobs) {
    Words words = call_of("commit", {});
    for (const Leased& job : jobs) {
      for (const std::string& word : {std::string(kWorker), job.job, job.token, std::string("succeeded"), result_}) {
        words.push_back(word);
      }
      words.emplace_back();  // no error
    }
    connection_.append(words);
  }
  // As a coordinator asks that only wants to know what has ended.
  void append_read_events() {
    connection_.append(call_of("read_events", {task_, after_, std::to_string(limits::kMaxBatch), kEnds}));
  }

  void flush() { connection_.flush(); }

  std::uint32_t read_enqueued() { return static_cast<std::uint32_t>(connection_.read().number()); }
  std::vector<Leased> read_leased() {
    const Reply reply = connection_.read();
    std::vector<Leased> jobs;
    for (const broker::LeasedJob& job : broker::leased_jobs(reply, 0)) {
      jobs.push_back({job.id(), std::string(job.token)});
    }
    return jobs;
  }
  std::uint32_t read_committed() {
    const Reply reply = connection_.read();
    for (const Reply& status : reply.list()) {
      if (status.text() != "committed")
        throw std::runtime_error("a commit was answered with " + std::string(status.text()));
    }
    return static_cast<std::uint32_t>(reply.list().size());
  }
  // False: there were none.
  bool read_events() {
    const Reply reply = connection_.read();
    const std::string before = std::exchange(after_, std::string(reply.at(1).text()));
    return after_ != before;
  }

  RedisConnection& connection() { return connection_; }
  int redis_pid() const { return redis_.pid(); }

 private:
  static Words call_of(const std::string& function, const Words& arguments) {
    Words words{"FCALL", "ns3_" + function, "0"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return words;
  }
  Reply call(const std::string& function, const Words& arguments) {
    return connection_.command(call_of(function, arguments));
  }
  void begin_task() {
    task_ = make_task_id().text;
    const std::string many = std::to_string(limits::kMaxTaskWorkers);
    const std::string task_class = std::string(kTaskKind) + "@default";
    call("submit", {task_, kTaskKind, kTaskSpec, "bench", "1", many, "3", "0", task_class, "0", "0", many});
    const Reply reply = call("lease", {lease_ms_, kWorker, session_, "0", "1"});
    task_token_ = broker::leased_jobs(reply, 0).at(0).token;
    next_ = 0;
    after_ = "0";
  }

  static constexpr const char* kWorker = "ceiling";
  static constexpr const char* kEnds = "trial.succeeded,trial.failed,trial.early_stopped,trial.cancelled";
  test::TempFolder folder_;
  PrivateRedis redis_;
  RedisConnection connection_;
  std::string session_, task_, task_token_, after_;
  const std::string lease_ms_ = std::to_string(limits::kLease.count());
  std::uint32_t next_ = 0;
  const std::string parameters_ = json_of(kParametersBytes);
  const std::string result_ = json_of(kResultBytes);
};

// Two groups of calls are always under way, so that Redis works on one while the other's replies are read; each group
// enqueues a batch, leases one, and commits what an earlier group leased.
void drive(Functions& functions, std::uint32_t jobs) {
  constexpr std::size_t kGroups = 2;
  struct Group {
    bool enqueues = false, commits = false;
  };
  std::deque<Group> under_way;
  std::vector<Functions::Leased> leased;
  std::uint32_t sent = 0, committed = 0;
  while (committed < jobs) {
    while (under_way.size() < kGroups) {
      Group group{sent < jobs, !leased.empty()};
      if (group.enqueues) {
        const std::uint32_t count = std::min(kCeilingBatch, jobs - sent);
        functions.append_enqueue(count);
        sent += count;
      }
      functions.append_lease(kCeilingBatch);
      if (group.commits) functions.append_commit(std::exchange(leased, {}));
      functions.flush();
      under_way.push_back(group);
    }
    const Group group = under_way.front();
    under_way.pop_front();
    if (group.enqueues) functions.read_enqueued();
    auto more = functions.read_leased();
    leased.insert(leased.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    if (group.commits) committed += functions.read_committed();
  }
  for (; !under_way.empty(); under_way.pop_front()) {  // nothing is left for these, but their replies
    if (under_way.front().enqueues) functions.read_enqueued();
    functions.read_leased();
    if (under_way.front().commits) functions.read_committed();
  }
}

}  // namespace

Cost measure_ceiling(Persistence persistence, std::uint32_t jobs) {
  constexpr std::uint32_t kWarmUp = 2000;
  Functions functions(persistence);
  drive(functions, kWarmUp);
  Cost cost;
  double seconds = 0;
  const RedisFigures before = figures_of(functions.connection());
  const CpuTime redis = cpu_time_of(functions.redis_pid()), client = own_cpu_time();
  for (std::uint32_t left = jobs; left > 0;) {
    const std::uint32_t some = std::min(left, limits::kMaxTrials - kWarmUp);
    functions.make_room_for(some);
    const auto begin = steady_clock().now();
    drive(functions, some);
    seconds += std::chrono::duration<double>(steady_clock().now() - begin).count();
    left -= some;
  }
  cost.cpu = {{"redis", cpu_time_of(functions.redis_pid()) - redis}, {"client", own_cpu_time() - client}};
  cost.redis = figures_of(functions.connection()) - before;
  cost.jobs = jobs;
  cost.seconds = seconds;
  return cost;
}

std::map<std::string, double> measure_functions(Persistence persistence, std::uint32_t jobs_in_call,
                                                std::uint32_t calls) {
  Functions functions(persistence);
  drive(functions, std::min(jobs_in_call * 4, 2000u));
  for (bool more = true; more;) {
    functions.append_read_events();
    more = functions.read_events();
  }
  std::map<std::string, std::vector<double>> microseconds;
  // Redis counts FCALL as one command, so its count is read around each call.
  const auto timed = [&](const std::string& function, const std::function<void()>& call) {
    const auto before = figures_of(functions.connection()).commands["fcall"].microseconds;
    call();
    const auto after = figures_of(functions.connection()).commands["fcall"].microseconds;
    microseconds[function].push_back(static_cast<double>(after - before) / jobs_in_call);
  };
  for (std::uint32_t i = 0; i < calls; ++i) {
    std::vector<Functions::Leased> leased;
    functions.make_room_for(jobs_in_call);
    timed("enqueue", [&] { functions.append_enqueue(jobs_in_call), functions.read_enqueued(); });
    timed("lease", [&] { functions.append_lease(jobs_in_call), leased = functions.read_leased(); });
    timed("commit", [&] { functions.append_commit(leased), functions.read_committed(); });
    timed("read_events", [&] { functions.append_read_events(), functions.read_events(); });
  }
  std::map<std::string, double> medians;
  for (const auto& [function, values] : microseconds) medians[function] = percentile(values, 0.5);
  return medians;
}

}  // namespace ns::bench
