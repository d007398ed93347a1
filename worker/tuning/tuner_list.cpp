// Every tuner: one line each here, one file each in tuners/.
#include <fmt/format.h>

#include <array>

#include "common/error.h"
#include "worker/tuning/tuner.h"

namespace ns::worker::tuning {

std::unique_ptr<Tuner> make_random(const TunerOptions&);
std::unique_ptr<Tuner> make_fallback(const TunerOptions&);

namespace {
constexpr std::array kTuners{
    TunerDefinition{"fallback", false, make_fallback},
    TunerDefinition{"random", true, make_random},
};
}  // namespace

std::span<const TunerDefinition> all_tuners() { return kTuners; }

const TunerDefinition& find_tuner(std::string_view name, bool with_space) {
  std::string known;
  for (const TunerDefinition& tuner : kTuners) {
    if (tuner.needs_space != with_space) continue;
    if (tuner.name == name) return tuner;
    known += (known.empty() ? "" : ", ") + std::string(tuner.name);
  }
  throw Error(ErrorCode::invalid,
              fmt::format("strategy.name: \"{}\" is not a tuner for this kind of task; known: {}", name, known),
              "strategy.name");
}

}  // namespace ns::worker::tuning
