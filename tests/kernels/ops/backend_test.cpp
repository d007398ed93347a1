// The official ONNX backend tests of the operators that we have, run with the plain versions. Which operators those are
// is asked of the operator list: a model that holds another one is skipped and counted as such.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "kernels/onnx/onnx.h"
#include "kernels/passes/passes.h"
#include "tests/conformance/suite.h"
#include "tests/kernels/ops/plain_run.h"
#include "tests/support/processes.h"
#include "tests/support/shared_folder.h"

namespace ns {
namespace {

namespace fs = std::filesystem;

struct Tally {
  int passed = 0, failed = 0, skipped = 0;
};

struct Tallies {
  std::map<std::string, Tally> by_tier;
  std::map<std::string, int> skip_reasons;
};

std::string run_test(const fs::path& folder, const conformance::Row& row, bool simplified) {
  graph::Graph model = onnx::read_file(folder / "model.onnx");
  test::require_known_operators(model);
  if (simplified) {
    passes::simplify(model);
    model = onnx::read_bytes(onnx::write_bytes(model));
  }
  return conformance::difference_to_expected(folder, model, test::plain_run, row.tolerance);
}

void run_one(const fs::path& folder, bool simplified, const conformance::Row& row, Tallies& tallies) {
  Tally& tally = tallies.by_tier[row.tier];
  std::string what;
  try {
    what = run_test(folder, row, simplified);
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

// Each model as it is, and once more simplified, written and read back.
void run_suite(const std::string& archive, const std::string& index, const std::string& root) {
  const fs::path suite = test::shared_folder(NS_SOURCE_DIR) / "onnx-backend-tests";
  if (!fs::exists(suite / archive)) GTEST_SKIP() << suite / archive << " is not there";
  const test::TempFolder folder;
  conformance::unpack(suite / archive, folder.path());
  Tallies tallies;
  for (const conformance::Row& row : conformance::read_index(suite / index)) {
    // The whole topologies (light) check what the models of ../shared/models check with real numbers.
    if (row.category == "light" || !row.counts()) continue;
    for (const bool simplified : {false, true}) {
      run_one(folder.path() / root / row.category / row.test, simplified, row, tallies);
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
