// LeasedJob: a job with its task's spec, and the message that brings jobs with each spec once. Plain values; one
// thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "common/messages.h"

namespace ns::worker {

struct LeasedJob {
  Job job;                                  // its own spec is empty
  std::shared_ptr<const std::string> spec;  // never null; shared by the jobs of a task that came together
};

// The jobs of a message, each with the spec that it carries itself or, without one, its task's of the message. A spec
// that is in neither place is an empty text, which every task kind refuses.
std::vector<LeasedJob> with_specs(Jobs);

// The other way: a message under way.
class JobsMessage {
 public:
  bool has_room_for(const LeasedJob&) const;  // within what a receiver takes; an empty one has for every job
  void add(LeasedJob);
  bool empty() const { return message_.jobs.empty(); }
  Jobs take();  // and begin anew

 private:
  bool has_spec_of(const LeasedJob&) const;
  std::size_t size_with(const LeasedJob&) const;

  Jobs message_;
  std::vector<std::shared_ptr<const std::string>> specs_;  // those of message_.specs
  std::size_t bytes_ = 0;
};

}  // namespace ns::worker
