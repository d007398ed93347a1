#include "tests/broker/scripts.h"

#include <sstream>

#include "broker/event_page.h"
#include "broker/leased_jobs.h"
#include "broker/store/library.h"
#include "broker/store/opening.h"

namespace ns::test {

using broker::store::Arguments;
using broker::store::Reply;

Scripts::Scripts() : redis_(folder_.path()), commands_(redis_.address()) {
  command({"FUNCTION", "LOAD", "REPLACE", broker::store::kLibrary});
  call("open", {"scripts"});
}

Reply Scripts::call(const std::string& function, const Arguments& arguments) {
  return commands_.exchange(broker::store::call_of(function), arguments);
}

std::string Scripts::submit(int workers, int priority, int max_attempts) {
  const std::string task = make_task_id().text;
  call("submit", {task, "k", "{}", "name", priority, workers, max_attempts, "0", "k@default", "0", "0", "1000"});
  return task;
}

std::string Scripts::hello(const std::string& worker, const std::string& kinds) {
  const std::string session(
      call("hello", {worker, "host", "1", "", "", kinds, "4", "2", "v", "default", "", "0"}).text());
  std::erase_if(sessions_, [&](const auto& known) { return known.first == worker; });
  sessions_.emplace_back(worker, session);
  return session;
}

std::vector<Scripts::Leased> Scripts::lease(const std::string& worker, int compute, int control) {
  std::string session;
  for (const auto& [known, number] : sessions_) {
    if (known == worker) session = number;
  }
  const Reply reply = call("lease", {"600000", worker, session, compute, control});
  if (!reply.at(2).is_list()) throw Error(ErrorCode::unknown_peer, "the session is not the worker's current one");
  std::vector<Leased> leased;
  for (const broker::LeasedJob& job : broker::leased_jobs(reply, 0)) {
    leased.push_back({job.id(), std::string(job.task), std::string(job.number), std::string(job.token),
                      static_cast<int>(job.attempt), std::string(job.limits), std::string(job.parameters)});
  }
  return leased;
}

Scripts::Leased Scripts::lease_task(const std::string& worker) { return lease(worker, 0, 1).at(0); }

int Scripts::enqueue(const Leased& coordinator, int first, int count) {
  Arguments arguments(coordinator.task, coordinator.token, "1000000");
  for (int i = first; i < first + count; ++i) arguments.add(i, "{}", "");
  return static_cast<int>(call("enqueue", arguments).number());
}

std::string Scripts::commit(const std::string& worker, const Leased& job, const std::string& outcome,
                            const std::string& result, const std::string& error) {
  return std::string(call("commit", {worker, job.job, job.token, outcome, result, error}).at(0).text());
}

void Scripts::sweep() {
  command({"SET", "ns:swept", "99999999999999"});  // so that a slow test is not taken for an outage
  call("sweep", {"600000", "256"});
}

void Scripts::expire(const std::string& job) {
  const std::string worker = stored(job).worker;
  command({"ZADD", "ns:worker:" + worker + ":jobs", "XX", "0", job});
  command({"ZADD", "ns:leases", "0", worker});
  sweep();
}

void Scripts::hold_delayed() {
  const Reply entries = command({"ZRANGE", "ns:delayed", "0", "-1"});
  for (const Reply& job : entries.list()) {
    command({"ZADD", "ns:delayed", "99999999999999", job.text()});
  }
}

void Scripts::make_due() {
  const Reply entries = command({"ZRANGE", "ns:delayed", "0", "-1"});
  for (const Reply& job : entries.list()) {
    command({"ZADD", "ns:delayed", "0", job.text()});
  }
  sweep();
}

std::vector<std::string> Scripts::events(const std::string& task, const std::string& type) {
  std::vector<std::string> types;
  for (std::string after = "0";;) {
    const Events page = read_events(task, after, 1000, type);
    for (const Event& event : page.events) types.push_back(event.type);
    if (page.events.empty() && page.next == after) return types;
    after = page.next;
  }
}

Events Scripts::read_events(const std::string& task, const std::string& after, int limit, const std::string& types) {
  return broker::event_page_from(call("read_events", {task, after, limit, types})).events;
}

Scripts::Stored Scripts::stored(const std::string& job) {
  const std::string task = job.substr(0, job.find('/')),
                    number = job.size() > task.size() ? job.substr(task.size() + 1) : "task";
  const std::string running = field("ns:task:" + task + ":leased", number);
  std::istringstream lease(running.empty() ? field("ns:job:" + job, "lease") : running);
  Stored stored{field("ns:job:" + job, "state"), "0", ""};
  lease >> stored.worker >> stored.token;
  if (!running.empty()) stored.state = "running";
  if (stored.state.empty()) stored.state = "waiting";
  return stored;
}

std::string Scripts::field(const std::string& key, const std::string& name) {
  return std::string(command({"HGET", key, name}).text());
}

std::uint64_t Scripts::jobs_leased() {
  const Reply counts = command({"HMGET", "ns:stats", "leased", "ended"});
  return counts.at(0).number() - counts.at(1).number();
}

}  // namespace ns::test
