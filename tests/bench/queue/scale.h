// Does a job's cost grow with the work around it? Each question has two scenes, the plain one and the loaded one, that
// are measured in turns where both can rest. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/queue/scene.h"

namespace ns::bench {

struct ScaleSizes {
  std::uint32_t queued = 1'000'000;
  std::uint32_t tasks = 10'000;
  std::uint32_t workers = 2'000;
  std::uint32_t jobs = 30'000;  // measured at a time
  std::uint32_t runs = 3;
};

struct ScaleQuestion {
  std::string name;
  std::string plain;   // what the first scene is
  std::string loaded;  // and the second
  std::uint32_t window;
  std::function<std::unique_ptr<Scene>()> set_plain;
  std::function<std::unique_ptr<Scene>()> set_loaded;
  // The loaded scene has work of its own, which would go on while the plain one is measured: each has its turn alone.
  bool never_rests = false;
};
std::vector<ScaleQuestion> scale_questions(const Deployment&, const ScaleSizes&);

struct ScaleAnswer {
  std::vector<Cost> plain;
  std::vector<Cost> loaded;
};
ScaleAnswer answer(const ScaleQuestion&, const ScaleSizes&);

}  // namespace ns::bench
