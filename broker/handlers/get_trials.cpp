#include "broker/handlers/handlers.h"

namespace ns::broker {
namespace {

TrialInfo trial_from(const store::Reply& fields) {
  TrialInfo trial;
  trial.number = static_cast<std::uint32_t>(fields.at(0).number());
  from_text(fields.at(1).text(), trial.state);
  trial.parameters = fields.at(2).text();
  trial.result = fields.at(3).text();
  trial.error = fields.at(4).text();
  trial.attempt = static_cast<std::uint32_t>(fields.at(5).number());
  trial.worker = fields.at(6).text();
  trial.started_ms = fields.at(7).number() / 1000;  // a token is the time of its lease, in microseconds
  trial.finished_ms = fields.at(8).number();
  trial.finish_order = fields.at(9).number();
  return trial;
}

}  // namespace

void handle(Parts& parts, const Request& request, const GetTrials& get, std::string) {
  parts.store.call("get_trials", {get.task.text, get.first, get.limit}, request.answer([](const store::Reply& reply) {
    TrialList trials;
    trials.total = static_cast<std::uint32_t>(reply.at(0).number());
    for (const store::Reply& fields : reply.at(1).list()) trials.trials.push_back(trial_from(fields));
    return trials;
  }));
}

}  // namespace ns::broker
