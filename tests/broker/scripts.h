// The functions in Redis, called directly on a private redis-server. One thread.
//
// Replies, and their texts, are there as long as the Scripts object.
#pragma once

#include <string>
#include <vector>

#include "common/id.h"
#include "common/messages.h"
#include "tests/broker/redis_commands.h"
#include "tests/support/processes.h"

namespace ns::test {

class Scripts {
 public:
  Scripts();

  std::string address() const { return redis_.address(); }

  // Any command; an error reply is thrown.
  broker::store::Reply command(const broker::store::Arguments& words) { return commands_(words); }
  broker::store::Reply call(const std::string& function, const broker::store::Arguments&);

  // ---- the transitions in short

  struct Leased {
    std::string job, task, number, token;
    int attempt = 0;
    std::string limits{}, parameters{};
  };

  std::string submit(int workers = 4, int priority = 1, int max_attempts = 3);  // returns the task
  std::string hello(const std::string& worker, const std::string& kinds = "k");
  std::vector<Leased> lease(const std::string& worker, int compute, int control);
  Leased lease_task(const std::string& worker);  // one task job
  int enqueue(const Leased& coordinator, int first, int count);
  std::string commit(const std::string& worker, const Leased&, const std::string& outcome,
                     const std::string& result = "{}", const std::string& error = "because");
  void sweep();
  void expire(const std::string& job);  // its lease runs out now
  void hold_delayed();                  // no delayed job becomes ready by itself
  void make_due();                      // every delayed job
  std::vector<std::string> events(const std::string& task, const std::string& type = {});  // types, in order
  Events read_events(const std::string& task, const std::string& after, int limit, const std::string& types = {});
  // A job as its hash and the leases of its task tell it.
  struct Stored {
    std::string state, token, worker;
  };
  Stored stored(const std::string& job);
  std::string field(const std::string& key, const std::string& name);
  std::uint64_t jobs_leased();  // attempts that began and have not ended, as ns:stats counts them

 private:
  TempFolder folder_;
  RedisServer redis_;
  RedisCommands commands_;
  std::vector<std::pair<std::string, std::string>> sessions_;
};

}  // namespace ns::test
