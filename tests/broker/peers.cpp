#include "tests/broker/peers.h"

#include <algorithm>
#include <stdexcept>

#include "common/clock.h"

namespace ns::test {

wire::Frames Requester::receive_frames(MessageType type, std::uint64_t number) {
  const auto deadline = steady_clock().now() + 30s;
  for (;;) {
    for (auto frames = kept_.begin(); frames != kept_.end(); ++frames) {
      const wire::Header header = wire::decode_header(frames->at(0));
      if (number != 0 && header.request == number && header.type == MessageType::error && type != MessageType::error) {
        const auto reply = wire::decode<ErrorReply>(frames->at(1));
        throw Error(error_code_from(reply.code), reply.message, reply.field);
      }
      if (header.type != type || (number != 0 && header.request != number)) continue;
      wire::Frames found = std::move(*frames);
      kept_.erase(frames);
      return found;
    }
    while (!dealer_.wait(1000ms)) {
      if (steady_clock().now() > deadline) throw std::runtime_error("no " + std::string(wire::name_of(type)) + " came");
    }
    while (auto frames = dealer_.receive()) kept_.push_back(std::move(*frames));
  }
}

FakeWorker::FakeWorker(const std::string& endpoint, const std::string& name, std::vector<std::string> kinds,
                       const net::PeerKeys& keys)
    : requester_(endpoint, keys), id_{name}, kinds_(std::move(kinds)) {
  hello();
}

void FakeWorker::hello() {
  Hello message;
  message.worker = id_;
  message.host = "here";
  message.kinds = kinds_;
  message.compute_slots = 4;
  message.control_slots = 2;
  session_ = requester_.call<Welcome>(message).session;
  compute_ = control_ = 0;
}

void FakeWorker::pull(std::uint64_t more_compute, std::uint64_t more_control) {
  compute_ += more_compute;
  control_ += more_control;
  requester_.send(Pull{id_, session_, compute_, control_});
}

Job FakeWorker::next_job() {
  while (jobs_.empty()) {
    Jobs message = requester_.receive<Jobs>();
    for (Job& job : message.jobs) {
      for (const TaskSpecText& text : message.specs) {
        if (text.task == job.task) job.spec = text.spec;
      }
    }
    jobs_ = std::move(message.jobs);
  }
  Job job = jobs_.front();
  jobs_.erase(jobs_.begin());
  return job;
}

HeartbeatReply FakeWorker::heartbeat(const std::vector<Job>& held) {
  Heartbeat message;
  message.worker = id_;
  message.session = session_;
  for (const Job& job : held) message.jobs.push_back({job.job, job.token});
  return requester_.call<HeartbeatReply>(message);
}

CommitStatus FakeWorker::report(const Job& job, Outcome outcome, const std::string& result, const std::string& error) {
  return requester_.call<ResultsAcknowledged>(ReportResults{id_, {{job.job, job.token, outcome, result, error}}})
      .results.at(0)
      .status;
}

SubmitTask make_submission(std::uint32_t workers, std::uint32_t priority) {
  SubmitTask submission;
  submission.task = make_task_id();
  submission.kind = "quantize";
  submission.spec = R"({"kind":"quantize"})";
  submission.name = "a test";
  submission.workers = workers;
  submission.priority = priority;
  return submission;
}

EnqueueTrials make_trials(const Job& coordinator, std::uint32_t first, std::uint32_t count) {
  EnqueueTrials enqueue{coordinator.task, coordinator.token, {}};
  for (std::uint32_t i = first; i < first + count; ++i) {
    enqueue.trials.push_back({i, "{\"x\":" + std::to_string(i) + "}", 0, 0});
  }
  return enqueue;
}

}  // namespace ns::test
