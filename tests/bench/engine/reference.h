// ONNX Runtime in a process of its own (ort_server.js under node), driven over a pipe. One thread.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/graph/graph.h"
#include "tests/support/processes.h"

namespace ns::bench {

// Inputs of several runs, taken in turn.
using Samples = std::vector<std::vector<graph::Tensor>>;

class ReferenceServer {
 public:
  // Error(unavailable), with how to get it, when node or the package is not there.
  explicit ReferenceServer(const std::filesystem::path& packages);
  ~ReferenceServer();
  ReferenceServer(const ReferenceServer&) = delete;
  ReferenceServer& operator=(const ReferenceServer&) = delete;

  // Makes a session and runs it once. Error(unsupported) with what the engine said.
  void load(const std::string& name, const std::filesystem::path& model, int threads,
            const std::vector<std::string>& inputs, const Samples&);
  // Runs for so long after a tenth of it to get warm: milliseconds of each run.
  std::vector<double> run(const std::string& name, double milliseconds);
  void forget(const std::string& name);

 private:
  nlohmann::json ask(const nlohmann::json& request);

  test::TempFolder folder_;  // of the inputs
  pid_t process_ = -1;
  std::FILE* requests_ = nullptr;
  std::FILE* answers_ = nullptr;
};

}  // namespace ns::bench
