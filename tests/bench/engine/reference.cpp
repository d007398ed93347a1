#include "tests/bench/engine/reference.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "common/error.h"
#include "tests/interop/exchange.h"

namespace ns::bench {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void unavailable(const std::string& what, const fs::path& packages) {
  throw Error(ErrorCode::unavailable,
              fmt::format("{}; ONNX Runtime needs node and npm (apt install nodejs npm) and then\n    {} {}\n"
                          "or measure without it: --no-reference",
                          what, (fs::path(NS_SOURCE_DIR) / "tests/interop/install").string(), packages.string()));
}

pid_t start_node(const fs::path& packages, int standard_input, int standard_output) {
  std::string script = (fs::path(NS_SOURCE_DIR) / "tests/bench/engine/ort_server.js").string(), node = "node";
  char* arguments[] = {node.data(), script.data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, standard_input, 0);
  posix_spawn_file_actions_adddup2(&actions, standard_output, 1);
  posix_spawn_file_actions_addchdir_np(&actions, packages.c_str());
  pid_t child = -1;
  const int failure = ::posix_spawnp(&child, "node", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) unavailable("node is not installed", packages);
  return child;
}

}  // namespace

ReferenceServer::ReferenceServer(const fs::path& packages) {
  if (!fs::exists(packages / "node_modules" / "onnxruntime-node")) {
    unavailable("onnxruntime-node is not in " + packages.string(), packages);
  }
  int to[2], from[2];
  if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) unavailable("no pipe to node", packages);
  ::signal(SIGPIPE, SIG_IGN);
  process_ = start_node(packages, to[0], from[1]);
  ::close(to[0]);
  ::close(from[1]);
  requests_ = ::fdopen(to[1], "w");
  answers_ = ::fdopen(from[0], "r");
}

ReferenceServer::~ReferenceServer() {
  std::fclose(requests_);  // the end of its input ends it
  std::fclose(answers_);
  ::waitpid(process_, nullptr, 0);
}

nlohmann::json ReferenceServer::ask(const nlohmann::json& request) {
  const std::string line = request.dump() + "\n";
  std::fwrite(line.data(), 1, line.size(), requests_);
  std::fflush(requests_);
  char* answer = nullptr;
  std::size_t room = 0;
  const ssize_t length = ::getline(&answer, &room, answers_);
  const std::string text(answer == nullptr || length < 0 ? "" : answer);
  std::free(answer);
  if (text.empty()) throw Error(ErrorCode::unavailable, "ONNX Runtime's process has ended");
  const nlohmann::json told = nlohmann::json::parse(text);
  if (told.contains("error"))
    throw Error(ErrorCode::unsupported, "ONNX Runtime: " + told.at("error").get<std::string>());
  return told.at("done");
}

void ReferenceServer::load(const std::string& name, const fs::path& model, int threads,
                           const std::vector<std::string>& inputs, const Samples& samples) {
  nlohmann::json listed = nlohmann::json::array();
  for (const std::vector<graph::Tensor>& sample : samples) {
    nlohmann::json one = nlohmann::json::array();
    for (std::size_t i = 0; i < sample.size(); ++i) {
      const fs::path file = folder_.path() / fmt::format("{}-{}.bin", listed.size(), i);
      one.push_back(interop::write_tensor(inputs[i], sample[i], file));
    }
    listed.push_back(std::move(one));
  }
  const fs::path absolute = fs::absolute(model);
  ask({{"load", {{"name", name}, {"model", absolute.string()}, {"threads", threads}, {"samples", listed}}}});
}

std::vector<double> ReferenceServer::run(const std::string& name, double milliseconds) {
  return ask({{"run", {{"name", name}, {"milliseconds", milliseconds}}}}).get<std::vector<double>>();
}

void ReferenceServer::forget(const std::string& name) { ask({{"forget", {{"name", name}}}}); }

}  // namespace ns::bench
