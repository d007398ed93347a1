// What is timed: an engine with one model loaded, for one batch size and number of threads. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/runtime/session.h"
#include "tests/bench/engine/reference.h"

namespace ns::bench {

class Contender {
 public:
  virtual ~Contender() = default;
  // Runs for so long after a tenth of it to get warm: milliseconds of each run, one at least.
  virtual std::vector<double> slice(double milliseconds) = 0;
};

class OwnEngine : public Contender {
 public:
  OwnEngine(std::shared_ptr<const graph::Graph>, int threads, const Samples&);
  std::vector<double> slice(double milliseconds) override;

  // Runs a second by as many instances, one thread each, that share the weights.
  double throughput(int instances, double milliseconds);
  std::size_t int8_nodes() const { return session_.int8_nodes().size(); }

 private:
  runtime::Session session_;
  const Samples& samples_;
  std::size_t next_ = 0;
};

class Reference : public Contender {
 public:
  Reference(ReferenceServer&, std::string name, const std::filesystem::path& model, int threads,
            const std::vector<std::string>& inputs, const Samples&);
  ~Reference() override;
  std::vector<double> slice(double milliseconds) override { return server_.run(name_, milliseconds); }

 private:
  ReferenceServer& server_;
  const std::string name_;
};

double median(std::vector<double> values);  // REQUIRES: one at least
double quantile(std::vector<double> values, double part);

}  // namespace ns::bench
