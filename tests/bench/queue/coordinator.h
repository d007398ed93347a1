// Coordinator: the client's side of the bench over the real protocol. Submits tasks, takes their task jobs as a worker
// with control slots would, enqueues trials, and follows the tasks' events until it has seen every trial's result.
//
// Two connections, as a client and a worker's coordinator have them; one thread. Throws when a trial ends
// twice, or otherwise than well, and when nothing moves for a minute.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "tests/bench/queue/link.h"

namespace ns::bench {

class Coordinator {
 public:
  Coordinator(const std::string& endpoint, const net::PeerKeys& client, const net::PeerKeys& worker);

  // So many tasks that stay pending: nobody takes their task jobs. Their kind is the same.
  void submit(std::uint32_t tasks, std::uint32_t priority);
  // So many tasks to coordinate; enqueue() and run() spread their trials over these.
  void open(std::uint32_t tasks, std::uint32_t priority = 1);
  // Further tasks that have so many trials ready each, are not followed, and get no more.
  void open_beside(std::uint32_t tasks, std::uint32_t priority, std::uint32_t trials_each);

  // Returns when Redis has all of them. Does not look at events.
  void enqueue(std::uint32_t trials);
  // What happened until now is not looked at by run() and follow(). REQUIRES: they were not called yet.
  void skip_history();
  // Enqueues so many trials, never more than `window` of them before the results of earlier ones are seen, and returns
  // when as many results were seen: the seconds from sending the first trial to seeing the last result. Where trials
  // were waiting already, the results are theirs.
  double run(std::uint32_t trials, std::uint32_t window);
  // Sees so many results of trials that were enqueued before.
  double follow(std::uint32_t results) { return pump(0, 0, results); }

  std::uint64_t results_seen() const { return results_; }
  const std::vector<TaskId>& tasks() const { return ids_; }

 private:
  struct Task {
    TaskId id;
    std::uint64_t token = 0;
    std::uint32_t next = 0;  // trial number
    std::string after = "0";
    std::vector<bool> ended;  // by trial number
    bool reading = false;
  };

  double pump(std::uint32_t trials, std::uint32_t window, std::uint32_t results);
  std::uint32_t send_trials(Task&, std::uint32_t most);
  void read_on(Task&);
  void take(const Received&);
  void take(Task&, const Events&);
  void renew_leases_when_due();
  Received next();
  std::vector<Task> take_tasks(std::uint32_t tasks, std::uint32_t priority);
  void submit_one(const TaskId&, std::uint32_t priority);

  net::Context context_;
  Link client_;  // submits
  Link link_;    // everything else
  const WorkerId id_;
  Pull pull_;
  std::chrono::milliseconds heartbeat_{0};
  Clock::Time next_heartbeat_;
  std::vector<HeldJob> held_;
  std::vector<Task> tasks_;
  std::vector<TaskId> ids_;
  std::size_t turn_ = 0;                                      // which task gets the next trials
  std::unordered_map<std::uint64_t, std::size_t> questions_;  // read_events under way -> task
  std::uint32_t enqueues_under_way_ = 0;
  std::uint64_t results_ = 0;
  const std::string parameters_;
};

}  // namespace ns::bench
