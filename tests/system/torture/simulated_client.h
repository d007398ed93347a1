// SimulatedClient: submits tasks of both kinds, some of them twice, cancels some, and reads all it can.
//
// What it asked and what it was told goes to its journal; only what was told is promised:
//   submit task kind priority workers max_attempts trials | accepted task | cancel task | cancelled task
//   saw trial task number state result | saw task task state result
// One thread.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/api/client.h"
#include "tests/system/torture/journal.h"
#include "tests/system/torture/plan.h"

namespace ns::torture {

struct SimulatedClientOptions {
  std::vector<std::string> endpoints;
  std::filesystem::path journal;
  std::uint64_t seed = 1;
  std::size_t open_tasks = 8;  // at once
  double real = 0.1;           // part of the tasks that real workers run
};

class SimulatedClient {
 public:
  explicit SimulatedClient(SimulatedClientOptions);
  void run();                      // until stop()
  void stop() { ending_ = true; }  // also from a signal handler

 private:
  struct OpenTask {
    SubmitTask submission;
    bool accepted = false;
    std::string after = "0";
  };

  void step();
  void submit_new();
  void submit(OpenTask&);
  void cancel(const OpenTask&);
  bool read(OpenTask&);  // true: it has ended, and has been read to the end
  void read_queue();
  SubmitTask make_simulated();
  SubmitTask make_real();

  const SimulatedClientOptions options_;
  Journal journal_;
  Random random_;
  api::Client client_;
  std::vector<OpenTask> open_;
  volatile bool ending_ = false;
};

}  // namespace ns::torture
