#include "broker/leased_jobs.h"

#include <charconv>
#include <sstream>

namespace ns::broker {
namespace {

// The first word of a list with commas; the list is what follows it.
std::string_view take_word(std::string_view& list) {
  const std::size_t comma = list.find(',');
  const std::string_view word = list.substr(0, comma);
  list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  return word;
}

}  // namespace

std::string LeasedJob::id() const {
  std::string text(task);
  if (is_trial()) text.append("/").append(number);
  return text;
}

Job LeasedJob::make() const {
  Job job;
  job.job = {id()};
  job.task = {std::string(task)};
  job.task_kind = kind;
  job.kind = is_trial() ? JobKind::trial : JobKind::task;
  std::from_chars(number.data(), number.data() + number.size(), job.number);
  job.attempt = attempt;
  std::from_chars(token.data(), token.data() + token.size(), job.token);
  job.parameters = parameters;
  if (!limits.empty()) std::istringstream(std::string(limits)) >> job.time_limit_ms >> job.memory_limit_bytes;
  return job;
}

std::vector<LeasedJob> leased_jobs(const store::Reply& reply, std::size_t worker) {
  constexpr std::size_t kTaskFields = 3, kGroupFields = 5;
  std::vector<LeasedJob> found;
  const store::Reply& jobs = reply.at(2 + worker);
  if (!jobs.is_list()) return found;
  const store::Reply& tasks = reply.at(0);
  found.reserve(jobs.list().size());
  for (std::size_t at = 0; at < jobs.list().size();) {
    const std::size_t task = kTaskFields * (jobs.at(at).number() - 1);
    LeasedJob job{tasks.at(task).text(), tasks.at(task + 1).text(), tasks.at(task + 2).text(), {}, 0, {}, {}, {}};
    std::string_view numbers = jobs.at(at + 1).text();
    job.attempt = static_cast<std::uint32_t>(jobs.at(at + 2).number());
    job.token = jobs.at(at + 3).text();
    job.limits = jobs.at(at + 4).text();
    at += kGroupFields;
    if (numbers.empty()) found.push_back(job);
    while (!numbers.empty()) {
      job.number = take_word(numbers);
      job.parameters = jobs.at(at++).text();
      found.push_back(job);
    }
  }
  return found;
}

}  // namespace ns::broker
