// RedisView: the keys themselves, past the broker: what is dead, and what an idle queue should not have.
// One thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/system/torture/evidence.h"

struct redisContext;

namespace ns::torture {

class RedisView {
 public:
  explicit RedisView(const std::string& socket);  // throws when Redis is not there
  ~RedisView();
  RedisView(const RedisView&) = delete;
  RedisView& operator=(const RedisView&) = delete;

  // Throw when Redis answers with an error.
  std::vector<std::string> list(const std::vector<std::string>& command);  // an array of texts
  std::string text(const std::vector<std::string>& command);

  std::vector<std::string> tasks();
  std::map<std::string, std::vector<std::string>> dead_letters();
  // Until no worker is noted as having leases; in vain after `most`.
  void wait_for_no_leases(std::chrono::milliseconds most);
  // One sentence a thing. REQUIRES: no task is open, no worker holds a job.
  std::vector<std::string> leftovers(const std::map<std::string, TaskRecord>& tasks);

 private:
  long long number(const std::vector<std::string>& command);
  std::vector<std::string> all_keys();

  redisContext* context_;
};

}  // namespace ns::torture
