#include "broker/duties/duties.h"
#include "broker/store/client.h"
#include "common/log.h"

namespace ns::broker {
namespace {

constexpr int kMostKeys = 1000;  // in one call, so that Redis never stops for long
constexpr int kMostCalls = 5;    // one after the other; more is left for the next time, so that others get on meanwhile

store::Arguments arguments_from(const std::vector<Retention>& kept) {
  store::Arguments arguments(kMostKeys);
  for (const Retention& one : kept) {
    arguments.add(to_text(one.state), one.age ? std::to_string(one.age->count()) : std::string(),
                  one.count ? std::to_string(*one.count) : std::string());
  }
  return arguments;
}

void forget(Parts& parts, int calls) {
  parts.store.call("forget", arguments_from(parts.options.keep_finished), [&parts, calls](const store::Reply& reply) {
    if (reply.is_error()) {
      log::warning("forgetting tasks failed: {}", reply.error().what());
      return;
    }
    if (reply.at(0).number() > 0) log::debug("{} tasks that had ended are forgotten", reply.at(0).number());
    if (reply.at(1).number() == 1 && calls > 1) forget(parts, calls - 1);
  });
}

}  // namespace

void forget_tasks(Parts& parts) {
  if (parts.store.is_ready()) forget(parts, kMostCalls);
}

}  // namespace ns::broker
