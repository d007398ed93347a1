#include "client/watch/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/terminal/text.h"

namespace ns::client {

using nlohmann::json;

namespace {

std::string text_of(const json& body, const char* key) {
  return body.is_object() && body.contains(key) && body[key].is_string() ? printable(body[key].get<std::string>()) : "";
}

std::uint32_t number_of(const json& body, const char* key) {
  return body.is_object() && body.contains(key) && body[key].is_number_unsigned() ? body[key].get<std::uint32_t>() : 0;
}

bool ends_a_trial(std::string_view type) {
  return type == "trial.succeeded" || type == "trial.failed" || type == "trial.early_stopped" ||
         type == "trial.cancelled";
}

bool ends_a_task(std::string_view type) {
  return type == "task.done" || type == "task.failed" || type == "task.cancelled";
}

std::string metrics_of(const json& metrics) {
  if (metrics.is_number()) return metrics.dump();
  std::string text;
  if (!metrics.is_object()) return text;
  for (const auto& [name, value] : metrics.items()) {
    if (!value.is_number()) continue;
    text += fmt::format("{}{} {:.6g}", text.empty() ? "" : ", ", printable(name), value.get<double>());
  }
  return text;
}

std::string reasons_of(const json& body) {
  if (!body.is_object() || !body.contains("reasons") || !body["reasons"].is_array()) return {};
  std::string text;
  for (const json& reason : body["reasons"]) {
    if (reason.is_string()) text += (text.empty() ? "" : "; ") + printable(reason.get<std::string>());
  }
  return text;
}

}  // namespace

void History::apply(const Event& event) {
  last_id_ = event.id;
  now_ms_ = std::max(now_ms_, event.time_ms);
  if (event.type.compare(0, 6, "trial.") == 0) {
    apply_trial(event);
  } else {
    apply_task(event);
  }
}

void History::apply_trial(const Event& event) {
  if (event.type == "trial.enqueued") ++enqueued_;
  if (event.type == "trial.started") {
    running_[event.trial] = {event.time_ms, event.attempt, event.worker, {}};
  }
  if (event.type == "trial.metric") {
    const auto found = running_.find(event.trial);
    if (found != running_.end()) found->second.metrics = metrics_text(event.body);
  }
  if (event.type == "trial.retrying" || event.type == "trial.dead") running_.erase(event.trial);
  if (event.type == "trial.requeued") ended_trials_.erase(event.trial);
  if (ends_a_trial(event.type)) {
    running_.erase(event.trial);
    ended_trials_.insert(event.trial);
  }
}

void History::apply_task(const Event& event) {
  const json body = parsed(event.body);
  if (event.type == "task.started") {
    if (started_ms_ == 0) started_ms_ = event.time_ms;
    state_ = "checking";
  } else if (event.type == "task.checked") {
    state_ = "running";
  } else if (event.type == "task.progress") {
    done_ = number_of(body, "done");
    planned_ = number_of(body, "planned");
    step_ = text_of(body, "summary");
    state_ = "running";
  } else if (event.type == "task.best") {
    best_ = text_of(body, "summary");
    if (best_.empty() && body.is_object() && body.contains("metrics")) best_ = metrics_of(body["metrics"]);
    best_trial_ = number_of(body, "trial");
  } else if (event.type == "task.retrying") {
    state_ = "waiting for another worker";
  } else if (event.type == "task.requeued") {
    state_ = "waiting for a worker";
    ended_ = false;
  } else if (ends_a_task(event.type)) {
    running_.clear();
    state_ = event.type.substr(5);
    ended_ = true;
  }
}

std::string metrics_text(std::string_view body) {
  const json value = parsed(body);
  return value.is_object() && value.contains("metrics") ? metrics_of(value["metrics"]) : "";
}

std::string event_detail(const Event& event) {
  const json body = parsed(event.body);
  if (event.type == "trial.enqueued") return printable(body.is_null() ? "" : body.dump());
  for (const char* key : {"summary", "error", "reason", "message"}) {
    if (std::string text = text_of(body, key); !text.empty()) return text;
  }
  if (std::string reasons = reasons_of(body); !reasons.empty()) return reasons;
  return metrics_text(event.body);
}

}  // namespace ns::client
