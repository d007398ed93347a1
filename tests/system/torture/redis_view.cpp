#include "tests/system/torture/redis_view.h"

#include <hiredis/hiredis.h>

#include <set>
#include <stdexcept>
#include <thread>

#include "tests/system/torture/journal.h"

namespace ns::torture {
namespace {

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

Reply call(redisContext* context, const std::vector<std::string>& words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  Reply reply(
      static_cast<redisReply*>(redisCommandArgv(context, static_cast<int>(words.size()), texts.data(), sizes.data())));
  if (!reply) throw std::runtime_error("Redis does not answer " + words[0]);
  if (reply->type == REDIS_REPLY_ERROR) throw std::runtime_error(words[0] + ": " + reply->str);
  return reply;
}

bool begins(const std::string& text, const std::string& begin) { return text.compare(0, begin.size(), begin) == 0; }

bool ends(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The task of a key such as ns:task:<task>:events or ns:job:<task>/3.
std::string task_of(const std::string& key, const std::string& begin) {
  return key.substr(begin.size(), key.find_first_of(":/", begin.size()) - begin.size());
}

}  // namespace

RedisView::RedisView(const std::string& socket) : context_(redisConnectUnix(socket.c_str())) {
  if (context_ != nullptr && context_->err == 0) return;
  if (context_ != nullptr) redisFree(context_);
  throw std::runtime_error("no Redis at " + socket);
}
RedisView::~RedisView() { redisFree(context_); }

std::vector<std::string> RedisView::list(const std::vector<std::string>& command) {
  const Reply reply = call(context_, command);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < reply->elements; ++i) {
    const redisReply* element = reply->element[i];
    texts.emplace_back(element->str != nullptr ? std::string(element->str, element->len) : "");
  }
  return texts;
}

std::string RedisView::text(const std::vector<std::string>& command) {
  const Reply reply = call(context_, command);
  return reply->str != nullptr ? std::string(reply->str, reply->len) : "";
}

std::vector<std::string> RedisView::tasks() { return list({"ZRANGE", "ns:tasks", "0", "-1"}); }

long long RedisView::number(const std::vector<std::string>& command) { return call(context_, command)->integer; }

std::vector<std::string> RedisView::all_keys() { return list({"KEYS", "ns:*"}); }

std::map<std::string, std::vector<std::string>> RedisView::dead_letters() {
  std::map<std::string, std::vector<std::string>> dead;
  for (const std::string& job : list({"ZRANGE", "ns:dead", "0", "-1"})) {
    const Json reasons = Json::parse(text({"HGET", "ns:job:" + job, "reasons"}), nullptr, false);
    dead[job] = reasons.is_array() ? reasons.get<std::vector<std::string>>() : std::vector<std::string>{};
  }
  return dead;
}

void RedisView::wait_for_no_leases(std::chrono::milliseconds most) {
  const auto end = std::chrono::steady_clock::now() + most;
  while (number({"EXISTS", "ns:leases"}) != 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

std::vector<std::string> RedisView::leftovers(const std::map<std::string, TaskRecord>& tasks) {
  std::vector<std::string> found;
  const std::set<std::string> kept = {"ns:schema",  "ns:instance",     "ns:turn",  "ns:sessions",       "ns:swept",
                                      "ns:tasks",   "ns:dead",         "ns:depth", "ns:workers",        "ns:classes",
                                      "ns:brokers", "ns:brokers:keys", "ns:stats", "ns:classes:version"};
  for (const std::string& key : all_keys()) {
    const bool is_job = begins(key, "ns:job:");
    if (is_job || begins(key, "ns:task:")) {
      const std::string task = task_of(key, is_job ? "ns:job:" : "ns:task:");
      if (tasks.count(task) == 0) found.push_back(key + " belongs to no task that is listed");
      const bool ended_part = ends(key, ":ready") || ends(key, ":leased");
      if (ended_part) found.push_back(key + " is there, though its task has ended");
    } else if (begins(key, "ns:tasks:")) {
      if (key == "ns:tasks:pending" || key == "ns:tasks:running") found.push_back(key + " is not empty");
    } else if (begins(key, "ns:worker:")) {
      if (ends(key, ":jobs")) found.push_back(key + " still holds a job");
    } else if (kept.count(key) == 0) {
      found.push_back(key + " is left (" + text({"TYPE", key}) + ")");
    }
  }
  std::size_t jobs = 0, listed_jobs = 0;
  for (const std::string& key : all_keys()) jobs += begins(key, "ns:job:");
  for (const auto& [id, task] : tasks) listed_jobs += 1 + task.trials.size();
  if (jobs != listed_jobs) {
    found.push_back(std::to_string(jobs) + " jobs are kept, " + std::to_string(listed_jobs) + " are listed");
  }
  const std::vector<std::string> depths = list({"HGETALL", "ns:depth"});
  for (std::size_t i = 0; i + 1 < depths.size(); i += 2) {
    if (depths[i + 1] != "0") found.push_back("ns:depth says " + depths[i + 1] + " of " + depths[i]);
  }
  for (const std::string& used : list({"ZRANGEBYSCORE", "ns:classes", "(0", "+inf"})) {
    found.push_back("ns:classes counts open tasks of " + used);
  }
  const std::string leased = text({"HGET", "ns:stats", "leased"}), ended = text({"HGET", "ns:stats", "ended"});
  if (leased != ended) found.push_back("ns:stats says that " + leased + " attempts began and " + ended + " ended");
  std::size_t listed = 0;
  for (const std::string state : {"done", "failed", "cancelled"}) {
    listed += static_cast<std::size_t>(number({"ZCARD", "ns:tasks:" + state}));
  }
  if (listed != tasks.size()) {
    found.push_back(std::to_string(listed) + " tasks are filed as ended, " + std::to_string(tasks.size()) +
                    " are listed");
  }
  return found;
}

}  // namespace ns::torture
