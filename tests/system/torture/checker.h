// The checker: from the evidence of a run, every broken promise. Pure.
//
// What it holds the queue to:
//   lost          an acknowledged submission is there and has ended; so are trials whose enqueueing was acknowledged
//   ended once    a task and each of its trials has exactly one end, after which nothing happens to it
//   accounts      counters, states, listings, dead letters and keys say the same as the events
//   dead letter   whatever was given up has as many reasons as attempts, and is among the dead letters
//   attempts      each attempt follows the end of the one before; there are no more than allowed
//   exclusive     no job is leased while another lease of it lasts
//   stale         what was committed came from the newest lease, and was reported under its token by its worker
//   answer        a worker was told what really happened to its report
//   cancelled     nothing starts once a cancel was acknowledged
//   limit         no task runs more trials at once than it may
//   priority      no trial starts while one of a more urgent task may
//   fairness      no task has two turns while another of its priority, which may, has none
//   order         within a task the first attempts start in the order of their numbers
//   changed       what a client saw of something ended is what is there in the end
//   work          work went on under fire, and the fire was felt
// Where the history leaves open what was so at a moment, the doubt is the queue's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/system/torture/evidence.h"

namespace ns::torture {

struct Violation {
  std::string promise;  // one of the words above
  std::string subject;  // a job or a task
  std::string text;
};

std::vector<Violation> check(const Evidence&);

// Whether there was enough to check, from the tally of a round with so much harm: a queue that does nothing breaks no
// other promise.
std::vector<Violation> check_work(const std::map<std::string, std::uint64_t>& tally, int seconds);

// What there was to check: tasks and trials by how they ended, leases, retries, stale reports refused, …
std::map<std::string, std::uint64_t> tally(const Evidence&);

}  // namespace ns::torture
