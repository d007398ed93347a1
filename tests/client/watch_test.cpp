#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/result.h"
#include "client/terminal/text.h"
#include "client/watch/view.h"

namespace ns::client {
namespace {

Event event(const char* type, const char* body = "", std::uint32_t trial = 0, std::uint64_t time_ms = 1000) {
  Event e;
  e.id = std::to_string(time_ms) + "-0";
  e.type = type;
  e.body = body;
  e.trial = trial;
  e.attempt = 1;
  e.time_ms = time_ms;
  return e;
}

TEST(History, counts_what_the_coordinator_plans) {
  History history;
  history.apply(event("task.submitted"));
  EXPECT_EQ(history.state(), "waiting for a worker");
  history.apply(event("task.started"));
  history.apply(event("task.checked", R"({"summary": "fine"})"));
  EXPECT_EQ(history.state(), "running");
  history.apply(event("trial.enqueued", "{}", 0));
  history.apply(event("trial.enqueued", "{}", 1));
  history.apply(event("trial.succeeded", "{}", 0));
  EXPECT_EQ(history.done(), 1u);
  EXPECT_EQ(history.planned(), 2u);
  history.apply(event("task.progress", R"({"done": 3, "planned": 12, "summary": "bisecting"})"));
  EXPECT_EQ(history.done(), 3u);
  EXPECT_EQ(history.planned(), 12u);
  EXPECT_EQ(history.step(), "bisecting");
}

TEST(History, knows_what_runs_and_forgets_what_has_ended) {
  History history;
  history.apply(event("trial.started", "", 4));
  history.apply(event("trial.metric", R"({"sequence": 1, "metrics": {"loss": 0.25}})", 4));
  ASSERT_EQ(history.running().count(4), 1u);
  EXPECT_EQ(history.running().at(4).metrics, "loss 0.25");
  history.apply(event("trial.retrying", R"({"reason": "signal 11"})", 4));
  EXPECT_TRUE(history.running().empty());
  history.apply(event("trial.started", "", 4));
  history.apply(event("trial.failed", R"({"error": "no"})", 4));
  history.apply(event("trial.failed", R"({"error": "no"})", 4));  // seen twice, counted once
  EXPECT_EQ(history.done(), 1u);
}

TEST(History, survives_bodies_of_any_shape) {
  History history;
  for (const char* body : {"", "null", "[]", "7", "{", R"({"summary": 3, "done": -1, "planned": "x"})"}) {
    for (const char* type : {"task.progress", "task.best", "task.checked", "trial.metric", "trial.dead", "new.kind"}) {
      history.apply(event(type, body));
      EXPECT_NO_THROW(event_line(event(type, body)));
    }
  }
  EXPECT_FALSE(history.ended());
}

TEST(View, a_piped_event_is_one_line) {
  const std::string line = event_line(event("trial.failed", R"({"error": "line one\nline two\u001b[2J"})", 3));
  EXPECT_NE(line.find("trial.failed         #3  line one line two [2J"), std::string::npos) << line;
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(View, only_events_worth_it_stay_on_the_terminal) {
  const Terminal plain;
  EXPECT_FALSE(lasting_line(event("trial.enqueued", "{}", 3), 0, plain));
  EXPECT_FALSE(lasting_line(event("trial.metric", "{}", 3), 0, plain));
  EXPECT_EQ(lasting_line(event("trial.succeeded", R"({"summary": "top1 98 %"})", 3, 2500), 1000, plain),
            "  ok #3    1.5 s    top1 98 %");
}

TEST(View, the_live_lines_fit_the_rows_they_are_given) {
  History history;
  for (std::uint32_t i = 0; i < 50; ++i) history.apply(event("trial.started", "", i));
  history.apply(event("task.best", R"({"trial": 7, "summary": "good"})"));
  const Terminal plain;
  for (std::size_t rows = 2; rows < 12; ++rows) {
    const auto lines = live_lines(history, "name", 5000, "", plain, 80, rows);
    EXPECT_LE(lines.size(), rows);
    EXPECT_NE(lines.back().find("name"), std::string::npos);
  }
  const auto lines = live_lines(history, "name", 5000, "", plain, 80, 6);
  EXPECT_NE(lines[3].find("and 47 more"), std::string::npos) << lines[3];
  EXPECT_NE(lines[4].find("best #7"), std::string::npos) << lines[4];
}

TEST(Result, exit_status_says_what_became_of_the_task) {
  TaskInfo task;
  task.state = TaskState::done;
  task.result = R"({"met": true})";
  EXPECT_EQ(exit_code_of(task), 0);
  task.result = R"({"met": false})";
  EXPECT_EQ(exit_code_of(task), 1);
  task.result = "not JSON";
  EXPECT_EQ(exit_code_of(task), 1);
  task.state = TaskState::cancelled;
  EXPECT_EQ(exit_code_of(task), 1);
  task.state = TaskState::failed;
  task.error = "the coordinator crashed";
  EXPECT_EQ(exit_code_of(task), 1);
  task.error = R"({"code": "invalid", "message": "not ONNX", "field": "model"})";
  EXPECT_EQ(exit_code_of(task), 2);
}

TEST(Result, an_error_that_ends_in_a_line_break_is_one_line) {
  TaskInfo task;
  task.name = "digits";
  task.state = TaskState::failed;
  task.error = "it said: boom\n";
  EXPECT_EQ(result_lines(task, Terminal{}), (std::vector<std::string>{"digits  failed", "it said: boom"}));
}

TEST(Result, every_error_code_has_its_exit_status) {
  for (const ErrorEntry& entry : kErrorTable) {
    EXPECT_TRUE(entry.exit_code == 1 || entry.exit_code == 2 || entry.exit_code == 3 || entry.exit_code == 130)
        << entry.name;
  }
  EXPECT_EQ(entry_of(ErrorCode::invalid).exit_code, 2);
  EXPECT_EQ(entry_of(ErrorCode::unavailable).exit_code, 3);
  EXPECT_EQ(entry_of(ErrorCode::cancelled).exit_code, 130);
}

TEST(Result, artifact_names_cannot_leave_the_folder) {
  const std::string id = "sha256:" + std::string(64, 'a');
  const auto with = [&](const std::string& name) { return nlohmann::json{{"artifacts", {{name, id}}}}.dump(); };
  EXPECT_EQ(artifacts_of(with("model.onnx")).at(0).name, "model.onnx");
  for (const char* name : {"../model.onnx", "/etc/passwd", "..", ".", "", "a/b", "a\nb"}) {
    EXPECT_THROW(artifacts_of(with(name)), Error) << name;
  }
  EXPECT_THROW(artifacts_of(R"({"artifacts": {"model.onnx": "sha256:1"}})"), Error);
  EXPECT_TRUE(artifacts_of("").empty());
}

TEST(Result, is_shown_without_knowing_the_kind) {
  TaskInfo task;
  task.name = "digits";
  task.state = TaskState::done;
  task.started_ms = 1000;
  task.finished_ms = 3500;
  task.result = R"({"met": true, "summary": "all int8",
    "table": {"columns": ["", "fp32", "int8"], "rows": [["accuracy", "98.9 %", "98.6 %"], ["size", "1 MiB", "0.3 MiB"]]},
    "configuration": {"float_nodes": ["conv1", "fc"]}, "artifacts": {}})";
  const std::vector<std::string> expected = {"digits  done after 2.5 s",
                                             "all int8",
                                             "",
                                             "              fp32     int8",
                                             "  accuracy  98.9 %   98.6 %",
                                             "  size       1 MiB  0.3 MiB",
                                             "",
                                             "configuration",
                                             "  float_nodes  conv1, fc"};
  EXPECT_EQ(result_lines(task, Terminal{}), expected);
}

TEST(Json, a_text_that_holds_json_is_json) {
  TaskInfo task;
  task.spec = R"({"kind": "quantize"})";
  task.error = "a sentence";
  const nlohmann::json value = as_json(task);
  EXPECT_EQ(value["spec"]["kind"], "quantize");
  EXPECT_EQ(value["error"], "a sentence");
  EXPECT_TRUE(value["result"].is_null());
}

}  // namespace
}  // namespace ns::client
