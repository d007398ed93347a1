#include "tests/broker/redis_commands.h"

#include <chrono>
#include <optional>
#include <stdexcept>

#include "broker/store/settings.h"

namespace ns::test {

using broker::store::Arguments;
using broker::store::Reply;

RedisCommands::RedisCommands(const std::string& address)
    : connection_(loop_, broker::store::parse_location(address).server, [](const std::string&) {}) {}

Reply RedisCommands::exchange(const Arguments& first, const Arguments& rest) {
  std::optional<Reply> answer;
  std::optional<Error> error;
  connection_.command(first, rest, [&](const Reply& reply) {
    if (reply.is_error()) {
      error = reply.error();
    } else {
      answer = reply.copy(memory_);
    }
  });
  connection_.flush();
  while (!answer && !error) loop_.turn(std::chrono::seconds(1));
  if (error) throw Error(*error);
  return *answer;
}

std::string RedisCommands::info(const std::string& name) {
  return std::string(broker::store::parse_info((*this)({"INFO", "everything"}).text()).info_of(name));
}

}  // namespace ns::test
