// OneBroker: what the tests of one broker begin with: its folder, the broker, and who talks to it. One thread.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "common/api/client.h"
#include "tests/broker/peers.h"
#include "tests/support/processes.h"

namespace ns::test {

class OneBroker : public ::testing::Test {
 protected:
  void start_on(const RedisServer& redis, const std::vector<std::string>& options) {
    broker_ = std::make_unique<BrokerProcess>(folder_.path(), redis.address(), options);
    client_ = std::make_unique<Requester>(broker_->endpoint());
  }
  // Repeats what may be repeated, as clients do; after `attempt` also what is not answered.
  std::unique_ptr<api::Client> make_client(std::chrono::milliseconds attempt = std::chrono::seconds(2)) const {
    api::ClientOptions options;
    options.endpoints = {broker_->endpoint()};
    options.attempt = attempt;
    options.deadline = std::chrono::seconds(30);
    return std::make_unique<api::Client>(options);
  }
  // A submitted task whose coordinator this worker is.
  Job coordinate(FakeWorker& worker, std::uint32_t workers = 4, std::uint32_t priority = 1) {
    client_->call<TaskAccepted>(make_submission(workers, priority));
    worker.pull(0, 1);
    return worker.next_job();
  }

  TempFolder folder_;
  std::unique_ptr<BrokerProcess> broker_;
  std::unique_ptr<Requester> client_;
};

}  // namespace ns::test
