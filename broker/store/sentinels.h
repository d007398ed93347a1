// Sentinels: asks Redis' sentinels where the primary is. Owned by Client; the loop's thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/store/connection.h"

namespace ns::broker::store {

class Sentinels {
 public:
  Sentinels(net::PollLoop&, std::vector<Address>, std::string primary);
  ~Sentinels();

  // One of the two is called, later; a new question takes the place of one without an answer. The sentinel that
  // answered last is asked first, then the others. Error(unavailable): none knows it now.
  using Found = std::function<void(const Address&)>;
  using Unknown = std::function<void(const Error&)>;
  void find_primary(Found, Unknown);

 private:
  void ask();
  void answered(const Reply&);
  void failed(const std::string& why);  // the sentinel that was asked

  net::PollLoop& loop_;
  const std::vector<Address> sentinels_;
  const std::string primary_;
  std::size_t current_ = 0;
  std::size_t tried_ = 0;    // without success, for this question
  std::uint64_t asked_ = 0;  // the number of the command whose answer counts
  std::unique_ptr<Connection> connection_;
  net::PollLoop::TimerId patience_ = 0;
  Found found_;  // of the question that is open
  Unknown unknown_;
};

}  // namespace ns::broker::store
