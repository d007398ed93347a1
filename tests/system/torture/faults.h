// Faults: what is done to the parts of a cluster, at random moments, by a seed: killed, frozen, asked to go, cut off,
// slowed down. Each fault ends by itself after a while; a part suffers one at a time.
// One thread, that of the cluster.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/system/torture/cluster.h"
#include "tests/system/torture/journal.h"
#include "tests/system/torture/plan.h"

namespace ns::torture {

class Faults {
 public:
  Faults(Cluster& cluster, std::uint64_t seed, std::chrono::milliseconds mean_pause);

  void step();  // what is due now: an end, a beginning
  void heal();  // all that is going on ends

  const std::map<std::string, int>& counts() const { return counts_; }  // by name: "kill broker"

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Ongoing {
    std::string name;
    Time end;
    Part* part;
    std::function<void()> undo;
  };
  // What may befall a part of this kind; its own function begins it and returns how it ends.
  struct Fault {
    const char* name;
    PartKind kind;
    double weight;
    std::uint64_t least_ms, most_ms;
    std::function<void()> (Faults::*begin)(Part&);
  };
  static const std::vector<Fault>& all();

  void begin_one();
  void end(const Ongoing&);
  std::function<void()> kill(Part&);
  std::function<void()> terminate(Part&);
  std::function<void()> freeze(Part&);
  std::function<void()> freeze_with_children(Part&);
  std::function<void()> kill_child(Part&);
  std::function<void()> freeze_child(Part&);
  std::function<void()> cut(Part&);
  std::function<void()> cut_one_way(Part&);
  std::function<void()> impair(Part&);
  std::function<void()> set_link(Part&, const Link&);

  Cluster& cluster_;
  Journal journal_;  // faults.journal: begin and end of each
  Random random_;
  const std::chrono::milliseconds mean_pause_;
  Time next_;
  std::vector<Ongoing> ongoing_;
  std::map<std::string, int> counts_;
};

}  // namespace ns::torture
