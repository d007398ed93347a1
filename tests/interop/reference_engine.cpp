#include "tests/interop/reference_engine.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>

#include "kernels/onnx/onnx.h"
#include "tests/interop/exchange.h"

extern char** environ;

namespace ns::interop {
namespace {

namespace fs = std::filesystem;
using graph::Tensor;

const fs::path kPackages = fs::path(NS_INTEROP_DIR);
const fs::path kScripts = fs::path(NS_SOURCE_DIR) / "tests" / "interop";

// A folder of its own for one run, removed with everything in it.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "ns-interop-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// Runs a program (found on PATH) in a folder; what it printed and its exit status (-1: it could not be started).
struct Finished {
  int status = -1;
  std::string printed;
};

Finished run(std::vector<std::string> arguments, const fs::path& working_folder, const fs::path& log) {
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  posix_spawn_file_actions_addchdir_np(&actions, working_folder.c_str());
  pid_t child = 0;
  const int failed = posix_spawnp(&child, pointers[0], &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return {};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_text(log)};
}

bool runs(const std::string& program, const Folder& folder) {
  return run({program, "--version"}, folder.path(), folder.path() / "log").status == 0;
}

void write_manifest(const fs::path& model, const std::vector<std::string>& names, const std::vector<Tensor>& inputs,
                    std::int64_t batch, const fs::path& folder) {
  nlohmann::json manifest{{"model", model.string()}, {"optimized", "optimized.onnx"}, {"batch", batch}};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    manifest["inputs"].push_back(write_tensor(names[i], inputs[i], folder / fmt::format("input{}.bin", i)));
  }
  std::ofstream(folder / "manifest.json") << manifest;
}

std::vector<Tensor> read_outputs(const fs::path& folder) {
  std::vector<Tensor> outputs;
  for (const auto& listed : nlohmann::json::parse(read_text(folder / "outputs.json"))) {
    outputs.push_back(read_tensor(listed, folder));
  }
  return outputs;
}

}  // namespace

std::string why_not_available() {
  const Folder folder;
  for (const char* program : {"node", "npm"}) {
    if (!runs(program, folder)) return fmt::format("{} is not installed", program);
  }
  const bool installed = read_text(kPackages / "package-lock.json") == read_text(kScripts / "package-lock.json") &&
                         fs::exists(kPackages / "node_modules" / "onnxruntime-node");
  if (installed) return {};
  const Finished install =
      run({(kScripts / "install").string(), kPackages.string()}, folder.path(), folder.path() / "log");
  if (install.status != 0) throw std::runtime_error("installing onnxruntime-node failed:\n" + install.printed);
  return {};
}

namespace {

void run_engine(const fs::path& folder) {
  const Finished finished =
      run({"node", (kScripts / "run_ort.js").string(), folder.string()}, kPackages, folder / "log");
  if (finished.status != 0) {
    throw std::runtime_error(fmt::format("the reference engine ended with {}:\n{}", finished.status, finished.printed));
  }
}

std::vector<std::string> input_names(const graph::Graph& model) {
  std::vector<std::string> names;
  for (const graph::ValueId id : model.inputs) names.push_back(model.value(id).name);
  return names;
}

}  // namespace

ReferenceRun run_reference(const graph::Graph& model, const std::vector<Tensor>& inputs, std::int64_t batch) {
  const Folder folder;
  onnx::write_file(model, folder.path() / "model.onnx");
  write_manifest("model.onnx", input_names(model), inputs, batch, folder.path());
  run_engine(folder.path());
  return {read_outputs(folder.path()), onnx::read_file(folder.path() / "optimized.onnx")};
}

std::vector<Tensor> run_reference_on_whole_inputs(const fs::path& model, const graph::Graph& same,
                                                  const std::vector<Tensor>& inputs) {
  const Folder folder;
  write_manifest(fs::absolute(model), input_names(same), inputs, 0, folder.path());
  run_engine(folder.path());
  return read_outputs(folder.path());
}

}  // namespace ns::interop
