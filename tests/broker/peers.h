// Peers of a broker, as tests play them: a raw requester and a worker without any work. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/net/socket.h"
#include "common/wire.h"

namespace ns::test {

using namespace std::chrono_literals;

class Requester {
 public:
  explicit Requester(const std::string& endpoint, const net::PeerKeys& keys = {}) : dealer_(context_, endpoint, keys) {}

  template <typename Message>
  std::uint64_t send(const Message& message, std::string attachment = {}) {
    wire::Frames frames = wire::encode(++last_, message);
    if (!attachment.empty()) frames.push_back(std::move(attachment));
    dealer_.send(std::move(frames));
    return last_;
  }
  void send_raw(wire::Frames frames) { dealer_.send(std::move(frames)); }

  // The next message of this type (and number, unless 0), keeping the others for later. Throws an error reply to that
  // number as Error; throws after half a minute.
  template <typename Message>
  Message receive(std::uint64_t number = 0, std::string* attachment = nullptr) {
    const wire::Frames frames = receive_frames(wire::kTypeOf<Message>, number);
    if (attachment != nullptr) *attachment = frames.size() > 2 ? frames[2] : "";
    return wire::decode<Message>(frames.at(1));
  }
  template <typename Reply, typename Message>
  Reply call(const Message& message, std::string attachment = {}) {
    return receive<Reply>(send(message, std::move(attachment)));
  }
  // The error that a request is answered with.
  template <typename Message>
  ErrorReply refused(const Message& message, std::string attachment = {}) {
    return receive<ErrorReply>(send(message, std::move(attachment)));
  }
  ErrorReply receive_error(std::uint64_t number) { return receive<ErrorReply>(number); }

 private:
  wire::Frames receive_frames(MessageType type, std::uint64_t number);

  net::Context context_;
  net::Dealer dealer_;
  std::uint64_t last_ = 0;
  std::vector<wire::Frames> kept_;
};

class FakeWorker {
 public:
  FakeWorker(const std::string& endpoint, const std::string& name, std::vector<std::string> kinds = {"quantize"},
             const net::PeerKeys& keys = {});

  void hello();
  void pull(std::uint64_t more_compute, std::uint64_t more_control);  // grants more credits
  Job next_job();
  HeartbeatReply heartbeat(const std::vector<Job>& held);
  CommitStatus report(const Job&, Outcome, const std::string& result = "{}", const std::string& error = {});

  Requester& requester() { return requester_; }
  const WorkerId& id() const { return id_; }
  std::uint64_t session() const { return session_; }

 private:
  Requester requester_;
  const WorkerId id_;
  const std::vector<std::string> kinds_;
  std::uint64_t session_ = 0;
  std::uint64_t compute_ = 0;
  std::uint64_t control_ = 0;
  std::vector<Job> jobs_;  // received, not taken by next_job yet
};

SubmitTask make_submission(std::uint32_t workers = 4, std::uint32_t priority = 1);
EnqueueTrials make_trials(const Job& coordinator, std::uint32_t first, std::uint32_t count);

}  // namespace ns::test
