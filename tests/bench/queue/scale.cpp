#include "tests/bench/queue/scale.h"

#include <algorithm>

#include "tests/bench/queue/report.h"

namespace ns::bench {
namespace {

constexpr std::uint32_t kWindow = 4096;
constexpr Crew kUsualCrew{Crew::Kind::simulated, 1, 1, 256, false};

std::uint32_t measured_jobs(const ScaleSizes& sizes) { return sizes.jobs * sizes.runs + kWarmUp; }

std::unique_ptr<Scene> scene_with(const Deployment& deployment, std::uint32_t tasks) {
  auto scene = std::make_unique<Scene>(deployment);
  scene->coordinator.open(tasks);
  return scene;
}

std::unique_ptr<Scene> plain_scene(const Deployment& deployment, const ScaleSizes& sizes) {
  auto scene = scene_with(deployment, tasks_for(measured_jobs(sizes)));
  scene->service.add(kUsualCrew);
  return scene;
}

// New jobs wait behind the old ones: as many are queued after each run as before it.
ScaleQuestion queued_jobs(const Deployment& deployment, const ScaleSizes& sizes) {
  const std::uint32_t tasks = tasks_for(sizes.queued + measured_jobs(sizes)) + 1;
  return {"jobs queued",
          number(tasks) + " tasks, none queued",
          number(tasks) + " tasks, " + number(sizes.queued) + " queued",
          kWindow,
          [=] {
            auto scene = scene_with(deployment, tasks);
            scene->service.add(kUsualCrew);
            return scene;
          },
          [=] {
            auto scene = scene_with(deployment, tasks);
            scene->coordinator.enqueue(sizes.queued);
            scene->coordinator.skip_history();
            scene->service.add(kUsualCrew);
            return scene;
          },
          true};
}

// Most of them wait for a coordinator, a hundred have trials that are ready, of a lower priority than the work.
ScaleQuestion open_tasks(const Deployment& deployment, const ScaleSizes& sizes) {
  constexpr std::uint32_t kWithTrials = 100, kTrialsEach = 20;
  return {"tasks open",
          "none beside the work's own",
          number(sizes.tasks) + " beside",
          kWindow,
          [=] { return plain_scene(deployment, sizes); },
          [=] {
            auto scene = scene_with(deployment, tasks_for(measured_jobs(sizes)));
            const std::uint32_t with_trials = std::min(kWithTrials, sizes.tasks);
            scene->coordinator.open_beside(with_trials, 3, kTrialsEach);
            scene->coordinator.submit(sizes.tasks - with_trials, 2);
            scene->service.add(kUsualCrew);
            return scene;
          }};
}

// All jobs of a run are enqueued as fast as may be, so that every task has some ready most of the time.
ScaleQuestion round_robin(const Deployment& deployment, const ScaleSizes& sizes) {
  constexpr std::uint32_t kTasksOfPriority = 34;
  return {"priorities x tasks",
          "as few tasks as have room",
          "3 x 34",
          sizes.jobs,
          [=] { return plain_scene(deployment, sizes); },
          [=] {
            auto scene = std::make_unique<Scene>(deployment);
            for (const std::uint32_t priority : {1, 2, 3}) scene->coordinator.open(kTasksOfPriority, priority);
            scene->service.add(kUsualCrew);
            return scene;
          }};
}

ScaleQuestion idle_workers(const Deployment& deployment, const ScaleSizes& sizes) {
  return {"workers connected",
          "1 with 256 credits",
          number(sizes.workers) + " idle ones beside it",
          kWindow,
          [=] { return plain_scene(deployment, sizes); },
          [=] {
            auto scene = plain_scene(deployment, sizes);
            scene->service.add({Crew::Kind::simulated, 1, sizes.workers, 1, true});
            return scene;
          }};
}

ScaleQuestion busy_workers(const Deployment& deployment, const ScaleSizes& sizes) {
  const std::uint32_t few = std::max(sizes.workers / 20, 1u);
  const auto scene_of = [=](std::uint32_t workers) {
    return [=] {
      auto scene = scene_with(deployment, tasks_for(measured_jobs(sizes)));
      scene->service.add({Crew::Kind::simulated, 1, workers, 1, false});
      return scene;
    };
  };
  return {"workers working",
          number(few) + " with 1 credit each",
          number(sizes.workers) + " with 1 credit each",
          2 * kWindow,
          scene_of(few),
          scene_of(sizes.workers)};
}

}  // namespace

std::vector<ScaleQuestion> scale_questions(const Deployment& deployment, const ScaleSizes& sizes) {
  return {queued_jobs(deployment, sizes), open_tasks(deployment, sizes), round_robin(deployment, sizes),
          idle_workers(deployment, sizes), busy_workers(deployment, sizes)};
}

ScaleAnswer answer(const ScaleQuestion& question, const ScaleSizes& sizes) {
  ScaleAnswer answer;
  const auto set_up = [&](const std::string& scene, const std::function<std::unique_ptr<Scene>()>& set) {
    progress(question.name + ": setting up " + scene);
    auto made = set();
    made->warm_up(sizes.jobs, question.window);
    return made;
  };
  const auto run = [&](Scene& scene, std::vector<Cost>& costs) {
    progress(question.name + ": run " + std::to_string(costs.size() + 1) + " of " + std::to_string(sizes.runs));
    costs.push_back(scene.run(sizes.jobs, question.window));
  };
  auto plain = set_up(question.plain, question.set_plain);
  if (question.never_rests) {
    while (answer.plain.size() < sizes.runs) run(*plain, answer.plain);
    plain.reset();
    const auto loaded = set_up(question.loaded, question.set_loaded);
    while (answer.loaded.size() < sizes.runs) run(*loaded, answer.loaded);
    return answer;
  }
  const auto loaded = set_up(question.loaded, question.set_loaded);
  while (answer.loaded.size() < sizes.runs) {
    run(*plain, answer.plain);
    run(*loaded, answer.loaded);
  }
  return answer;
}

}  // namespace ns::bench
