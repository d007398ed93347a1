// QuantizeSearch: the coordinator side of quantize. Baseline, then the tuner's rounds, then the best configuration
// again as the finishing trial; all numbers of the final table come from that one. Pure: knows no model. One thread.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "worker/tasks/quantize/quantize_spec.h"
#include "worker/tasks/task_kind.h"
#include "worker/tuning/tuner.h"

namespace ns::worker::tasks {

class QuantizeSearch final : public Search {
 public:
  explicit QuantizeSearch(QuantizeSpec spec);
  ~QuantizeSearch() override;

  std::vector<std::string> next_round(const std::optional<std::string>& stop) override;
  void tell(const FinishedTrial&) override;
  bool may_be_cut_short() const override { return phase_ == Phase::searching; }
  std::uint32_t planned() const override;
  std::optional<Standing> best() const override;
  std::string result(Workplace&) override;

 private:
  enum class Phase { baseline, searching, finishing, ended };
  struct Candidate;

  void tell_baseline(const FinishedTrial&);
  void tell_try(const FinishedTrial&);
  void tell_finish(const FinishedTrial&);
  bool fast_enough(double speedup) const;
  double worth(const Candidate&) const;  // by the objective; higher is better
  Candidate* chosen();                   // among those accepted and not yet rejected; null: none
  const Candidate* best_seen() const;    // when none is accepted
  std::string finish_parameters();
  nlohmann::json report(const nlohmann::json& result) const;

  QuantizeSpec spec_;
  std::unique_ptr<tuning::Tuner> tuner_;
  Phase phase_ = Phase::baseline;
  std::uint32_t proposed_ = 0;   // by the tuner
  std::uint32_t first_try_ = 1;  // number of the trial that carries proposal 0
  std::uint32_t finishes_ = 0;
  std::uint32_t trials_ = 0;  // ended so far
  std::string why_ended_;
  std::vector<Candidate> candidates_;
  std::unique_ptr<nlohmann::json> baseline_, finished_;  // results of those trials
  std::uint32_t finished_candidate_ = 0;                 // number of the trial that is being finished
  std::uint32_t best_trial_ = 0;                         // number of the trial that finished_ is about
  bool met_ = false;
  std::vector<std::string> shortfalls_;  // why finished candidates were not handed over
  std::unique_ptr<nlohmann::json> history_;
};

}  // namespace ns::worker::tasks
