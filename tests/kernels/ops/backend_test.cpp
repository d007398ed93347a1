// The official ONNX backend tests of the operators that we have, run with the plain versions. Which operators those are
// is asked of the operator list: a model that holds another one is skipped and counted as such.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "kernels/onnx/onnx.h"
#include "kernels/onnx/tensor_bytes.h"
#include "kernels/ops/op.h"
#include "kernels/passes/passes.h"
#include "tests/kernels/ops/plain_run.h"

namespace ns {
namespace {

namespace fs = std::filesystem;
using graph::Tensor;

struct TemporaryFolder {
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "ns-backend-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    path = pattern;
  }
  ~TemporaryFolder() { fs::remove_all(path); }
  fs::path path;
};

void unpack(const fs::path& archive, const fs::path& into) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execlp("tar", "tar", "--zstd", "-xf", archive.c_str(), "-C", into.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0) << "tar cannot unpack " << archive;
}

struct Row {
  std::string test, category, tier, disputed;
};

std::vector<Row> read_index(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  std::map<std::string, std::size_t> columns;
  std::istringstream header(line);
  for (std::string name; std::getline(header, name, '\t');) columns.emplace(name, columns.size());
  std::vector<Row> rows;
  while (std::getline(file, line)) {
    std::vector<std::string> cells;
    std::istringstream stream(line);
    for (std::string cell; std::getline(stream, cell, '\t');) cells.push_back(cell);
    cells.resize(columns.size());
    const auto cell = [&](const std::string& name) {
      return columns.count(name) > 0 ? cells[columns[name]] : std::string();
    };
    rows.push_back({cell("test"), cell("category"), cell("tier"), cell("disputed")});
  }
  return rows;
}

// Not counted: tests whose expectation is wrong, random, ambiguous or mistyped, as the suite's own index says.
bool counts(const Row& row) {
  for (const char* kind : {"wrong", "nondeterministic", "ambiguous", "format", "pb_dtype"}) {
    if (row.disputed.rfind(kind, 0) == 0) return false;
  }
  return true;
}

Tensor read_tensor_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  onnx_schema::TensorProto proto;
  if (!proto.ParseFromIstream(&file)) throw Error(ErrorCode::unsupported, path.string() + " is not a tensor");
  onnx::ExternalData none;
  return onnx::read_tensor(proto, none, path.filename().string());
}

std::vector<Tensor> read_tensors(const fs::path& folder, const std::string& stem) {
  std::vector<Tensor> tensors;
  for (int i = 0; fs::exists(folder / fmt::format("{}_{}.pb", stem, i)); ++i) {
    tensors.push_back(read_tensor_file(folder / fmt::format("{}_{}.pb", stem, i)));
  }
  return tensors;
}

std::vector<double> as_doubles(const Tensor& tensor) {
  graph::Node cast;
  cast.name = "cast";
  cast.op_type = "Cast";
  cast.attributes["to"] = static_cast<std::int64_t>(graph::ElementType::float64);
  cast.outputs = {0};
  const Tensor* input = &tensor;
  const std::vector<Tensor> made = ops::run_node(cast, 13, {&input, 1});
  const auto values = made[0].values<double>();
  return {values.begin(), values.end()};
}

bool is_narrow(graph::ElementType type) { return graph::size_of(type) == 1; }

// Empty when they agree by the official rule.
std::string difference(const Tensor& actual, const Tensor& expected) {
  if (actual.type() != expected.type()) {
    return fmt::format("type {}, expected {}", name_of(actual.type()), name_of(expected.type()));
  }
  if (actual.shape() != expected.shape()) {
    return fmt::format("shape {}, expected {}", graph::to_string(actual.shape()), graph::to_string(expected.shape()));
  }
  const std::vector<double> a = as_doubles(actual);
  const std::vector<double> e = as_doubles(expected);
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(e[i])) continue;
    if (a[i] == e[i]) continue;
    const double allowed = is_narrow(actual.type()) ? 0 : 1e-7 + 1e-3 * std::abs(e[i]);
    if (!(std::abs(a[i] - e[i]) <= allowed)) return fmt::format("element {}: {}, expected {}", i, a[i], e[i]);
  }
  return {};
}

struct Tally {
  int passed = 0, failed = 0, skipped = 0;
};

struct Tallies {
  std::map<std::string, Tally> by_tier;
  std::map<std::string, int> skip_reasons;
};

std::string run_test(const fs::path& folder, bool simplified) {
  graph::Graph model = onnx::read_file(folder / "model.onnx");
  test::require_known_operators(model);
  if (simplified) {
    passes::simplify(model);
    model = onnx::read_bytes(onnx::write_bytes(model));
  }
  const std::vector<Tensor> inputs = read_tensors(folder / "test_data_set_0", "input");
  const std::vector<Tensor> expected = read_tensors(folder / "test_data_set_0", "output");
  const std::vector<Tensor> actual = test::plain_run(model, inputs);
  if (actual.size() != expected.size()) return fmt::format("{} outputs, expected {}", actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const std::string what = difference(actual[i], expected[i]);
    if (!what.empty()) return fmt::format("output {}: {}", i, what);
  }
  return {};
}

void run_one(const fs::path& folder, bool simplified, const Row& row, Tallies& tallies) {
  Tally& tally = tallies.by_tier[row.tier];
  std::string what;
  try {
    what = run_test(folder, simplified);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unsupported) {
      ++tally.skipped;
      ++tallies.skip_reasons[error.what()];
      return;
    }
    what = error.what();
  }
  if (what.empty()) {
    ++tally.passed;
  } else {
    ++tally.failed;
    ADD_FAILURE() << row.test << (simplified ? " (simplified)" : "") << ": " << what;
  }
}

// The suite lies beside the sources, or where NS_BACKEND_TESTS says.
fs::path suite_folder() {
  const char* elsewhere = std::getenv("NS_BACKEND_TESTS");
  return elsewhere != nullptr ? fs::path(elsewhere) : fs::path(NS_SOURCE_DIR) / "../shared/onnx-backend-tests";
}

// Each model as it is, and once more simplified, written and read back.
void run_suite(const std::string& archive, const std::string& index, const std::string& root) {
  const fs::path shared = suite_folder();
  if (!fs::exists(shared / archive)) GTEST_SKIP() << shared / archive << " is not there";
  const TemporaryFolder folder;
  unpack(shared / archive, folder.path);
  if (testing::Test::HasFatalFailure()) return;
  Tallies tallies;
  for (const Row& row : read_index(shared / index)) {
    // The whole topologies (light) check what the models of ../shared/models check with real numbers.
    if (row.category == "light" || !counts(row)) continue;
    for (const bool simplified : {false, true}) {
      run_one(folder.path / root / row.category / row.test, simplified, row, tallies);
    }
  }
  int passed = 0;
  for (const auto& [tier, tally] : tallies.by_tier) {
    fmt::print("tier {}: passed {}, failed {}, skipped {}\n", tier, tally.passed, tally.failed, tally.skipped);
    passed += tally.passed;
  }
  if (std::getenv("NS_SHOW_SKIPPED") != nullptr) {
    for (const auto& [reason, count] : tallies.skip_reasons) fmt::print("{:4} {}\n", count, reason);
  }
  EXPECT_GT(passed, 100) << "nearly nothing ran: is the suite whole?";
}

TEST(BackendSuite, current_operators_agree) { run_suite("tests.tar.zst", "index.tsv", "onnx-backend-tests"); }

TEST(BackendSuite, older_operator_versions_agree) {
  run_suite("tests-older-opsets.tar.zst", "index-older-opsets.tsv", "onnx-backend-tests-older-opsets");
}

}  // namespace
}  // namespace ns
