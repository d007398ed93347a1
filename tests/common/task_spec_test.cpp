#include "common/task_spec.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/error.h"

namespace ns {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

const std::string kArtifact = "sha256:" + std::string(64, 'a');

// A folder with the files that the task files here name.
class TaskSpec : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "ns-task-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    for (const char* file : {"model.onnx", "calib.npz", "eval.npz"}) std::ofstream(folder_ / file) << "content";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  TaskFile parse(const std::string& text) const { return parse_task(text, folder_); }

  // A quantize task that is right, with more fields behind it.
  static std::string quantize(const std::string& more = {}) {
    return "kind: quantize\nmodel: model.onnx\ndata:\n  calibration: {npz: calib.npz}\n  evaluation: {npz: "
           "eval.npz}\n" +
           more;
  }
  static std::string experiment(const std::string& more = {}) {
    return "kind: experiment\ncommand: [python3, train.py]\nsearch_space:\n  lr: {_type: uniform, _value: [0, 1]}\n" +
           more;
  }

  // The text must be refused with this field, and a message that holds every one of `words`.
  void refused(const std::string& text, const std::string& field, const std::vector<std::string>& words) const {
    try {
      parse(text);
      ADD_FAILURE() << "accepted:\n" << text;
    } catch (const Error& problem) {
      EXPECT_EQ(problem.code(), ErrorCode::invalid);
      EXPECT_EQ(problem.field(), field) << problem.what();
      for (const std::string& word : words) {
        EXPECT_NE(std::string(problem.what()).find(word), std::string::npos) << problem.what() << "\nlacks: " << word;
      }
    }
  }

  std::filesystem::path folder_;
};

TEST_F(TaskSpec, defaults_come_from_the_schema) {
  const TaskFile task = parse(quantize());
  const json spec = json::parse(task.spec);
  EXPECT_EQ(spec["metric"]["name"], "top1");
  EXPECT_EQ(spec["accuracy"], json::parse(R"({"criterion":"relative","tolerable_loss":0.01,"higher_is_better":true})"));
  EXPECT_EQ(spec["quantization"], json::parse(R"({"activation":"uint8","bias":"int32"})"));
  EXPECT_EQ(spec["data"]["evaluation"]["labels"], "labels");
  EXPECT_EQ(spec["data"]["inputs"], json::object());
  EXPECT_EQ(spec["strategy"]["name"], "fallback");
  EXPECT_EQ(spec["limits"], json::parse(R"({"trial_time":"30m","memory":"0","max_attempts":3})"));
  EXPECT_EQ(spec["allow_slower"], false);
  EXPECT_EQ(spec["objective"], "latency");
  EXPECT_EQ(task.kind, "quantize");
  EXPECT_EQ(task.priority, 1u);
  EXPECT_EQ(task.workers, 1u);
  EXPECT_EQ(task.max_attempts, 3u);
  EXPECT_EQ(task.timeout, 10min);
}

TEST_F(TaskSpec, what_is_written_is_kept) {
  const TaskFile task = parse(quantize("stop: {max_trials: 7, timeout: 90}\nworkers: 2\npriority: 3\nname: mine\n"));
  EXPECT_EQ(task.workers, 2u);
  EXPECT_EQ(task.priority, 3u);
  EXPECT_EQ(task.name, "mine");
  EXPECT_EQ(task.timeout, 90s);
  EXPECT_EQ(json::parse(task.spec)["stop"], json::parse(R"({"max_trials":7,"timeout":"90"})"));
}

TEST_F(TaskSpec, pool_requirements_delay_and_deadline_are_read) {
  const TaskFile plain = parse(quantize());
  EXPECT_EQ(plain.pool, "default");
  EXPECT_TRUE(plain.isa.empty() && plain.tags.empty());
  EXPECT_EQ(plain.delay, 0s);
  EXPECT_EQ(plain.deadline, 0s);
  const TaskFile task = parse(quantize(
      "pool: night\nrequirements: {isa: [avx512_vnni], tags: [big, fast], memory: 8GiB}\ndelay: 10m\ndeadline: 2h\n"));
  EXPECT_EQ(task.pool, "night");
  EXPECT_EQ(task.isa, std::vector<std::string>{"avx512_vnni"});
  EXPECT_EQ(task.tags, (std::vector<std::string>{"big", "fast"}));
  EXPECT_EQ(task.memory_bytes, 8ull << 30);
  EXPECT_EQ(task.delay, 10min);
  EXPECT_EQ(task.deadline, 2h);
}

TEST_F(TaskSpec, when_a_task_begins_is_read_with_its_zone) {
  EXPECT_EQ(parse(quantize()).begin, 0s);
  EXPECT_EQ(parse(quantize("begin: 2027-01-31T22:00Z\n")).begin, 1801432800s);
  EXPECT_EQ(parse(quantize("begin: \"2027-01-31 23:00:01+01:00\"\n")).begin, 1801432801s);
  EXPECT_EQ(parse(quantize("begin: 2027-01-31T16:30:00-05:30\n")).begin, 1801432800s);
  for (const char* wrong : {"tomorrow", "2027-01-31", "2027-01-31T22:00", "2027-02-30T22:00Z", "2027-01-31T24:00Z",
                            "2027-01-31T22:00Zulu", "1969-12-31T22:00Z", "2027-13-01T22:00Z"}) {
    try {
      parse(quantize("begin: \"" + std::string(wrong) + "\"\n"));
      ADD_FAILURE() << wrong;
    } catch (const Error& error) {
      EXPECT_EQ(error.field(), "begin") << error.what();
      EXPECT_NE(std::string(error.what()).find(wrong), std::string::npos) << error.what();
    }
  }
}

TEST_F(TaskSpec, every_kind_has_the_fields_that_all_share) {
  for (const std::string& kind : task_kinds()) {
    const json fields = json::parse(schema_of(kind)).at("properties");
    for (const char* shared :
         {"name", "stop", "limits", "workers", "priority", "pool", "requirements", "delay", "begin", "deadline"}) {
      EXPECT_TRUE(fields.contains(shared)) << kind << " has no " << shared;
    }
  }
}

TEST_F(TaskSpec, what_is_asked_of_workers_must_be_words) {
  for (const char* wrong : {"pool: Night\n", "requirements: {tags: [\"a,b\"]}\n", "requirements: {isa: [\"\"]}\n"}) {
    try {
      parse(quantize(wrong));
      FAIL() << "accepted: " << wrong;
    } catch (const Error& problem) {
      EXPECT_EQ(problem.code(), ErrorCode::invalid);
      EXPECT_NE(std::string(problem.what()).find(problem.field()), std::string::npos);
    }
  }
}

TEST_F(TaskSpec, files_become_artifacts_at_their_places) {
  const TaskFile task = parse(quantize());
  ASSERT_EQ(task.files.size(), 3u);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < task.files.size(); ++i)
    ids.push_back("sha256:" + std::string(64, static_cast<char>('1' + i)));
  const json spec = json::parse(with_artifacts(task, ids));
  for (std::size_t i = 0; i < task.files.size(); ++i) {
    EXPECT_EQ(spec.at(json::json_pointer(task.files[i].pointer)), ids[i]);
    EXPECT_TRUE(std::filesystem::exists(task.files[i].file));
  }
  EXPECT_NO_THROW(validate_spec(spec.dump()));
  EXPECT_THROW(validate_spec(task.spec), Error);  // still holds paths
  EXPECT_THROW(with_artifacts(task, {}), Error);
}

TEST_F(TaskSpec, an_artifact_that_is_there_already_needs_no_file) {
  const TaskFile task = parse("kind: quantize\nmodel: " + kArtifact +
                              "\ndata: {calibration: {npz: calib.npz}, evaluation: {npz: eval.npz}}\n");
  EXPECT_EQ(task.files.size(), 2u);
  refused("kind: quantize\nmodel: sha256:12\ndata: {calibration: {npz: calib.npz}, evaluation: {npz: eval.npz}}\n",
          "model", {"sha256:12", "64"});
}

TEST_F(TaskSpec, names_with_slashes_and_tildes_have_proper_pointers) {
  const TaskFile task = parse(experiment("files: {\"a~b\": model.onnx}\n"));
  ASSERT_EQ(task.files.size(), 1u);
  EXPECT_EQ(task.files[0].pointer, "/files/a~0b");
  EXPECT_EQ(json::parse(with_artifacts(task, {kArtifact}))["files"]["a~b"], kArtifact);
}

TEST_F(TaskSpec, every_mistake_is_named_with_field_value_and_what_is_right) {
  refused("model: model.onnx", "kind", {"missing", "quantize", "experiment"});
  refused("kind: quantise", "kind", {"quantise", "did you mean quantize"});
  refused("kind: [1]", "kind", {"expected one of"});
  refused("just text", "", {"group of fields"});
  refused("", "", {"group of fields"});
  refused("kind: quantize\ndata: {}", "model", {"missing", "path"});
  refused(quantize("stop: {max_trails: 4}"), "stop.max_trails", {"did you mean max_trials", "timeout"});
  refused(quantize("zzzzzzzzzzzz: 4"), "zzzzzzzzzzzz", {"no such field", "known here"});
  refused(quantize("stop: {max_trials: 0}"), "stop.max_trials", {"0", "1 to 100000"});
  refused(quantize("stop: {max_trials: many}"), "stop.max_trials", {"many", "whole number"});
  refused(quantize("stop: {max_trials: 1.5}"), "stop.max_trials", {"1.5", "whole number"});
  refused(quantize("stop: {timeout: soon}"), "stop.timeout", {"soon", "10m"});
  refused(quantize("stop: 7"), "stop", {"7", "group of fields"});
  refused(quantize("priority: 4"), "priority", {"4", "1 to 3"});
  refused(quantize("objective: speed"), "objective", {"speed", "latency, throughput, size"});
  refused(quantize("metric: {name: top3}"), "metric.name", {"top3", "top1"});
  refused(quantize("accuracy: {tolerable_loss: 2}"), "accuracy.tolerable_loss", {"2", "0 to 1"});
  refused(quantize("allow_slower: maybe"), "allow_slower", {"maybe", "true or false"});
  refused(quantize("limits: {memory: lots}"), "limits.memory", {"lots", "2GiB"});
  refused(quantize("name: 7"), "name", {"7", "in quotes"});
  refused(quantize("name: \"a\\nb\""), "name", {"control"});
  refused(quantize("name:"), "name", {"nothing"});
  refused(quantize("seed: -1"), "seed", {"-1"});
  refused(experiment("files: {../x: model.onnx}"), "files[\"../x\"]", {"file name"});
  refused("kind: experiment\ncommand: []\nsearch_space: {a: {_type: choice, _value: [1]}}", "command", {"0 entries"});
  refused("kind: experiment\ncommand: [a, 3]\nsearch_space: {a: {_type: choice, _value: [1]}}", "command[1]",
          {"3", "in quotes"});
  refused("kind: experiment\ncommand: [a]\nsearch_space: {a: {_type: chioce, _value: [1]}}", "search_space.a._type",
          {"did you mean choice"});
  refused("kind: experiment\ncommand: [a]\nsearch_space: {a: {_type: choice}}", "search_space.a._value", {"missing"});
  refused("kind: experiment\ncommand: [a]\nsearch_space: {}", "search_space", {"0 entries"});
}

TEST_F(TaskSpec, inputs_are_checked_down_to_the_number) {
  const std::string head =
      "kind: quantize\nmodel: model.onnx\ndata:\n  calibration: {npz: calib.npz}\n"
      "  evaluation: {npz: eval.npz}\n";
  EXPECT_NO_THROW(parse(head + "  inputs: {image: {mean: [1, 2.5], std: [1, 2]}}\n  constants: {size: 3}\n"));
  refused(head + "  inputs: {image: {mean: [1, x]}}\n", "data.inputs.image.mean[1]", {"x", "a number"});
  refused(head + "  inputs: {image: {std: [0]}}\n", "data.inputs.image.std[0]", {"above 0"});
  refused(head + "  inputs: {a.b: {std: []}}\n", "data.inputs[\"a.b\"].std", {"0 entries"});
  refused(head + "  constants: {size: big}\n", "data.constants.size", {"big"});
}

TEST_F(TaskSpec, missing_and_wrong_files_are_refused) {
  std::ofstream(folder_ / "empty.onnx");
  const std::string rest = "\ndata: {calibration: {npz: calib.npz}, evaluation: {npz: eval.npz}}\n";
  refused("kind: quantize\nmodel: nowhere.onnx" + rest, "model", {"nowhere.onnx", "does not exist"});
  refused("kind: quantize\nmodel: ." + rest, "model", {"is not a file"});
  refused("kind: quantize\nmodel: empty.onnx" + rest, "model", {"is empty"});
}

TEST_F(TaskSpec, yaml_words_are_what_yaml_1_2_says) {
  const json value = json::parse(
      yaml_to_json("all: {a: yes, b: no, c: on, d: true, e: ~, f: 010, g: 0x1F, h: 1e3, i: 10:30, j: 1_000, k: '7',\n"
                   "  l: +3, m: -2, n: .5, o: 1.2.3, p: 18446744073709551616, q: .inf, r: -1e999}\n"))["all"];
  EXPECT_EQ(value["a"], "yes");
  EXPECT_EQ(value["b"], "no");
  EXPECT_EQ(value["c"], "on");
  EXPECT_EQ(value["d"], true);
  EXPECT_TRUE(value["e"].is_null());
  EXPECT_EQ(value["f"], "010");
  EXPECT_EQ(value["g"], 31);
  EXPECT_EQ(value["h"], 1000.0);
  EXPECT_EQ(value["i"], "10:30");
  EXPECT_EQ(value["j"], "1_000");
  EXPECT_EQ(value["k"], "7");
  EXPECT_EQ(value["l"], 3);
  EXPECT_EQ(value["m"], -2);
  EXPECT_EQ(value["n"], 0.5);
  EXPECT_EQ(value["o"], "1.2.3");
  EXPECT_TRUE(value["p"].is_number_float());
  EXPECT_EQ(value["q"], ".inf");
  EXPECT_EQ(value["r"], "-1e999");
}

TEST_F(TaskSpec, yaml_traps_are_refused) {
  refused("a: &x [1]\nb: *x\n", "", {"aliases"});
  refused("a: &x {c: 1}\nb:\n  <<: *x\n", "", {"merge keys"});
  refused("kind: quantize\nkind: experiment\n", "kind", {"twice"});
  refused("stop: {timeout: 1, timeout: 2}\n", "stop.timeout", {"twice"});
  refused("a: !!python/object:os.system x\n", "", {"tag"});
  refused("a: 1\n---\nb: 2\n", "", {"more than one"});
  refused("a: [1, 2\n", "", {"not YAML", "line"});
  refused("[a]: 1\n", "", {"name"});
  refused(std::string("name: \xFF\n"), "", {"UTF-8"});
  refused("a: \"x\\0y\"\n", "a", {"NUL"});
  refused(std::string(1000, '['), "", {});
  try {
    parse(std::string((1u << 20) + 1, 'a'));
    FAIL() << "accepted";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.code(), ErrorCode::too_large);
  }
}

TEST_F(TaskSpec, deep_nesting_is_refused) {
  std::string text = "a: ";
  for (int i = 0; i < 40; ++i) text += "[";
  for (int i = 0; i < 40; ++i) text += "]";
  try {
    parse(text);
    FAIL() << "accepted";
  } catch (const Error& problem) {
    EXPECT_NE(std::string(problem.what()).find("nested deeper"), std::string::npos) << problem.what();
  }
}

TEST_F(TaskSpec, json_obeys_the_same_rules) {
  EXPECT_EQ(parse(R"({"kind": "quantize", "model": "model.onnx", "data": {"calibration": {"npz": "calib.npz"},
                      "evaluation": {"npz": "eval.npz"}}, "stop": {"max_trials": 9.0}})")
                .kind,
            "quantize");
  refused(R"({"kind": "quantize", "kind": "quantize"})", "kind", {"twice"});
  refused(R"({"kind": )", "", {"not JSON"});
  refused(R"({"kind": "quantize", "name": "a\u0000b"})", "name", {"NUL"});
  std::string deep = R"({"kind": )";
  for (int i = 0; i < 40; ++i) deep += "[";
  EXPECT_THROW(parse(deep), Error);
}

TEST_F(TaskSpec, a_file_gives_its_task_a_name_and_its_folder) {
  std::ofstream(folder_ / "digits.yaml") << quantize();
  const TaskFile task = read_task_file(folder_ / "digits.yaml");
  EXPECT_EQ(task.name, "digits");
  EXPECT_EQ(task.files.at(0).file.parent_path(), folder_);
  try {
    read_task_file(folder_ / "nowhere.yaml");
    FAIL() << "accepted";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.code(), ErrorCode::not_found);
  }
}

TEST_F(TaskSpec, a_spec_from_elsewhere_gets_its_defaults_too) {
  const json sent = {{"kind", "quantize"},
                     {"model", kArtifact},
                     {"data", {{"calibration", {{"npz", kArtifact}}}, {"evaluation", {{"npz", kArtifact}}}}},
                     {"stop", {{"timeout", 60}}}};
  const json spec = json::parse(checked_spec(sent.dump()));
  EXPECT_EQ(spec["stop"], json::parse(R"({"max_trials":40,"timeout":"60"})"));
  EXPECT_EQ(spec["workers"], 1);
}

TEST(Durations, are_read_with_their_units) {
  EXPECT_EQ(parse_duration("250ms", ""), 250ms);
  EXPECT_EQ(parse_duration("90s", ""), 90s);
  EXPECT_EQ(parse_duration("10m", ""), 10min);
  EXPECT_EQ(parse_duration("1.5h", ""), 90min);
  EXPECT_EQ(parse_duration("2", ""), 2s);
  EXPECT_EQ(parse_duration("0", ""), 0ms);
  for (const char* wrong : {"", "m", "-1s", "1 fortnight", "1e9h", "400d", "1..2s", "10ms ", "nan"}) {
    EXPECT_THROW(parse_duration(wrong, "stop.timeout"), Error) << wrong;
  }
}

TEST(Bytes, are_read_with_their_units) {
  EXPECT_EQ(parse_bytes("1000000", ""), 1'000'000u);
  EXPECT_EQ(parse_bytes("512MiB", ""), 512u << 20);
  EXPECT_EQ(parse_bytes("2GiB", ""), 2ull << 30);
  EXPECT_EQ(parse_bytes("1.5 KiB", ""), 1536u);
  EXPECT_EQ(parse_bytes("0", ""), 0u);
  for (const char* wrong : {"", "GiB", "-1", "1.5", "1Gib", "99999999TiB"}) {
    EXPECT_THROW(parse_bytes(wrong, "limits.memory"), Error) << wrong;
  }
}

TEST(Schemas, exist_for_every_kind_and_stand_alone) {
  EXPECT_EQ(task_kinds(), (std::vector<std::string>{"quantize", "experiment", "nothing"}));
  for (const std::string& kind : task_kinds()) {
    const std::string text = schema_of(kind);
    EXPECT_EQ(text.find("definitions.json"), std::string::npos);
    EXPECT_EQ(json::parse(text)["properties"]["kind"]["const"], kind);
  }
  EXPECT_THROW(schema_of("no such kind"), Error);
}

}  // namespace
}  // namespace ns
