#include "tests/system/torture/faults.h"

#include <signal.h>

#include <algorithm>

namespace ns::torture {
namespace {

constexpr std::size_t kMostAtOnce = 3;

std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }

void nothing() {}

}  // namespace

Faults::Faults(Cluster& cluster, std::uint64_t seed, std::chrono::milliseconds mean_pause)
    : cluster_(cluster),
      journal_(cluster.options().folder / "faults.journal"),
      random_(seed),
      mean_pause_(mean_pause),
      next_(now() + mean_pause) {}

// Frozen and cut off for less and for more than a lease; killed with a pause before the next start, and without.
const std::vector<Faults::Fault>& Faults::all() {
  using F = Faults;
  static const std::vector<Fault> faults = {
      {"kill", PartKind::broker, 3, 0, 1500, &F::kill},
      {"freeze", PartKind::broker, 2, 100, 3000, &F::freeze},
      {"terminate", PartKind::broker, 1, 0, 500, &F::terminate},
      {"kill", PartKind::redis, 1.5, 0, 1500, &F::kill},
      {"freeze", PartKind::redis, 1, 100, 2000, &F::freeze},
      {"kill", PartKind::simulated_worker, 3, 0, 1000, &F::kill},
      {"freeze", PartKind::simulated_worker, 3, 100, 4000, &F::freeze},
      {"terminate", PartKind::simulated_worker, 1, 0, 500, &F::terminate},
      {"kill", PartKind::real_worker, 1, 0, 1000, &F::kill},
      {"freeze", PartKind::real_worker, 1, 100, 4000, &F::freeze},
      {"freeze all of", PartKind::real_worker, 1, 100, 4000, &F::freeze_with_children},
      {"terminate", PartKind::real_worker, 0.5, 500, 1500, &F::terminate},
      {"kill a runner of", PartKind::real_worker, 3, 0, 100, &F::kill_child},
      {"freeze a runner of", PartKind::real_worker, 1, 100, 3000, &F::freeze_child},
      {"kill", PartKind::client, 0.5, 0, 500, &F::kill},
      {"freeze", PartKind::client, 0.5, 100, 3000, &F::freeze},
      {"cut off", PartKind::redis, 0.7, 100, 2500, &F::cut},
      {"cut off", PartKind::broker, 1.5, 100, 4000, &F::cut},
      {"cut off", PartKind::simulated_worker, 1.5, 100, 4000, &F::cut},
      {"cut off", PartKind::real_worker, 1, 100, 4000, &F::cut},
      {"cut one way", PartKind::broker, 1, 100, 3000, &F::cut_one_way},
      {"cut one way", PartKind::simulated_worker, 1, 100, 3000, &F::cut_one_way},
      {"cut one way", PartKind::redis, 0.5, 100, 2000, &F::cut_one_way},
      {"impair the link of", PartKind::redis, 0.7, 500, 4000, &F::impair},
      {"impair the link of", PartKind::broker, 1.5, 500, 5000, &F::impair},
      {"impair the link of", PartKind::simulated_worker, 1.5, 500, 5000, &F::impair},
      {"impair the link of", PartKind::real_worker, 0.7, 500, 5000, &F::impair},
      {"impair the link of", PartKind::client, 0.7, 500, 5000, &F::impair}};
  return faults;
}

void Faults::step() {
  for (std::size_t i = 0; i < ongoing_.size();) {
    if (ongoing_[i].end > now()) {
      ++i;
      continue;
    }
    const Ongoing over = std::move(ongoing_[i]);
    ongoing_.erase(ongoing_.begin() + static_cast<std::ptrdiff_t>(i));
    end(over);
  }
  if (next_ > now()) return;
  std::exponential_distribution<> pause(1.0 / static_cast<double>(mean_pause_.count()));
  next_ = now() + std::chrono::milliseconds(static_cast<std::int64_t>(pause(random_)));
  if (ongoing_.size() < kMostAtOnce) begin_one();
}

void Faults::heal() {
  for (const Ongoing& fault : ongoing_) end(fault);
  ongoing_.clear();
}

void Faults::end(const Ongoing& fault) {
  journal_.write({{"what", "end"}, {"fault", fault.name}});
  fault.undo();
  fault.part->faulty = false;
}

void Faults::begin_one() {
  std::vector<const Fault*> possible;
  double all_weights = 0;
  for (const Fault& fault : all()) {
    const bool of_links =
        fault.begin == &Faults::cut || fault.begin == &Faults::cut_one_way || fault.begin == &Faults::impair;
    if (of_links && cluster_.network() == nullptr) continue;
    possible.push_back(&fault);
    all_weights += fault.weight;
  }
  double left = std::uniform_real_distribution<>(0, all_weights)(random_);
  const Fault* chosen = possible.back();
  for (const Fault* fault : possible) {
    if ((left -= fault->weight) < 0) {
      chosen = fault;
      break;
    }
  }
  std::vector<Part*> targets;
  for (Part& part : cluster_.parts()) {
    if (part.kind == chosen->kind && part.process && !part.faulty) targets.push_back(&part);
  }
  const std::uint64_t lasts = between(random_, chosen->least_ms, chosen->most_ms);
  const std::uint64_t pick = between(random_, 0, 1'000'000);
  if (targets.empty()) return;
  Part& target = *targets[pick % targets.size()];
  target.faulty = true;
  ++counts_[std::string(chosen->name) + " " + name_of(chosen->kind)];
  const std::string name = std::string(chosen->name) + " " + target.name;
  journal_.write({{"what", "begin"}, {"fault", name}, {"ms", lasts}});
  auto undo = (this->*chosen->begin)(target);
  ongoing_.push_back({name, now() + std::chrono::milliseconds(lasts), &target, std::move(undo)});
}

std::function<void()> Faults::kill(Part& part) {
  cluster_.kill(part);
  return [this, &part] { cluster_.start(part); };
}

std::function<void()> Faults::terminate(Part& part) {
  cluster_.signal(part, SIGTERM);
  return [this, &part] {
    if (part.process) cluster_.kill(part);  // what is not done by now has to be borne too
    cluster_.start(part);
  };
}

std::function<void()> Faults::freeze(Part& part) {
  cluster_.signal(part, SIGSTOP);
  return [this, &part] { cluster_.signal(part, SIGCONT); };
}

std::function<void()> Faults::freeze_with_children(Part& part) {
  cluster_.signal_all(part, SIGSTOP);
  return [this, &part] { cluster_.signal_all(part, SIGCONT); };
}

std::function<void()> Faults::kill_child(Part& part) {
  const int child = cluster_.child_of(part, random_());
  if (child != 0) ::kill(child, SIGKILL);
  return nothing;
}

std::function<void()> Faults::freeze_child(Part& part) {
  const int child = cluster_.child_of(part, random_());
  if (child == 0) return nothing;
  ::kill(child, SIGSTOP);
  return [this, &part] { cluster_.signal_all(part, SIGCONT); };
}

std::function<void()> Faults::set_link(Part& part, const Link& link) {
  cluster_.network()->set(part.name, link);
  return [this, &part] { cluster_.network()->set(part.name, Link{}); };
}

std::function<void()> Faults::cut(Part& part) {
  Link link;
  link.cut_in = link.cut_out = true;
  return set_link(part, link);
}

std::function<void()> Faults::cut_one_way(Part& part) {
  Link link;
  (happens(random_, 0.5) ? link.cut_in : link.cut_out) = true;
  return set_link(part, link);
}

std::function<void()> Faults::impair(Part& part) {
  Link link;
  if (happens(random_, 0.6)) link.delay = std::chrono::milliseconds(between(random_, 1, 150));
  if (happens(random_, 0.6)) link.jitter = std::chrono::milliseconds(between(random_, 1, 50));
  if (happens(random_, 0.5)) link.lost = static_cast<double>(between(random_, 1, 20)) / 100;
  if (happens(random_, 0.5)) link.doubled = static_cast<double>(between(random_, 1, 30)) / 100;
  return set_link(part, link);
}

}  // namespace ns::torture
