#include "tests/system/torture/plan.h"

#include <algorithm>

namespace ns::torture {

std::string one_of(Random& random, const std::vector<Weighted>& words) {
  double all = 0;
  for (const Weighted& word : words) all += word.weight;
  double left = std::uniform_real_distribution<>(0, all)(random);
  for (const Weighted& word : words) {
    if ((left -= word.weight) < 0) return word.word;
  }
  return words.back().word;
}

Json make_spec(Random& random) {
  // Some tasks are long, so that several wait beside each other at each priority.
  const std::uint64_t trials = happens(random, 0.1) ? between(random, 100, 400) : between(random, 1, 60);
  return {{"trials", trials},
          {"batch", between(random, std::max<std::uint64_t>(1, trials / 3), trials)},
          {"seed", between(random, 0, 1'000'000'000)},
          {"end", one_of(random, {{"succeed", 0.88}, {"fail", 0.04}, {"fail early", 0.04}, {"crash once", 0.04}})}};
}

Json parameters_of(const Json& spec, std::uint32_t number) {
  Random random(spec.at("seed").get<std::uint64_t>() * 1'000'003 + number);
  Json plan = Json::array();
  for (int attempt = 0; attempt < 3; ++attempt) {
    plan.push_back(one_of(random, {{"succeed", 0.82},
                                   {"fail", 0.02},
                                   {"crash", 0.04},
                                   {"hand back", 0.03},
                                   {"double", 0.05},
                                   {"late", 0.015},
                                   {"silent", 0.005},
                                   {"linger", 0.02}}));
  }
  return {{"run_ms", between(random, 1, 40)}, {"plan", plan}};
}

std::string plan_for(const Json& parameters, std::uint32_t attempt) {
  const Json& plan = parameters.at("plan");
  return plan.at(std::min<std::size_t>(attempt > 0 ? attempt - 1 : 0, plan.size() - 1));
}

}  // namespace ns::torture
