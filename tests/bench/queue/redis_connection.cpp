#include "tests/bench/queue/redis_connection.h"

#include <hiredis/hiredis.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>

namespace ns::bench {

using broker::store::Reply;

RedisConnection::RedisConnection(const std::filesystem::path& socket) : context_(redisConnectUnix(socket.c_str())) {
  if (context_ == nullptr || context_->err != 0) throw std::runtime_error("no connection to " + socket.string());
}

RedisConnection::~RedisConnection() { redisFree(context_); }

void RedisConnection::append(const Words& words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  texts.reserve(words.size());
  sizes.reserve(words.size());
  for (const std::string& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  redisAppendCommandArgv(context_, static_cast<int>(words.size()), texts.data(), sizes.data());
}

void RedisConnection::flush() {
  int done = 0;
  while (done == 0) {
    if (redisBufferWrite(context_, &done) != REDIS_OK) throw std::runtime_error("the connection to Redis is lost");
  }
}

Reply RedisConnection::read() {
  flush();
  if (read_) reader_.release();
  for (;;) {
    const Reply* reply = reader_.next();
    read_ = reply != nullptr;
    if (read_ && reply->is_error()) throw reply->error();
    if (read_) return *reply;
    char buffer[65536];
    const ssize_t count = ::read(context_->fd, buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error("the connection to Redis is lost");
    reader_.feed(buffer, static_cast<std::size_t>(count));
  }
}

Reply RedisConnection::command(const Words& words) {
  append(words);
  return read();
}

namespace {

std::uint64_t value_in(const std::string& text, const std::string& name) {
  const auto place = text.find(name);
  return place == std::string::npos ? 0 : std::stoull(text.substr(place + name.size()));
}

std::uint64_t minus(std::uint64_t later, std::uint64_t earlier) { return later > earlier ? later - earlier : 0; }

}  // namespace

// Lines such as "used_memory:1034568" and "cmdstat_fcall:calls=7,usec=120,usec_per_call=17.14,…".
RedisFigures figures_of(RedisConnection& redis) {
  const Reply reply = redis.command({"INFO", "everything"});
  const std::string info(reply.text());
  RedisFigures figures;
  figures.memory_bytes = value_in(info, "\nused_memory:");
  figures.append_only_bytes = value_in(info, "\naof_current_size:");
  std::istringstream lines(info);
  const std::string prefix = "cmdstat_";
  for (std::string line; std::getline(lines, line);) {
    const auto name_end = line.find(':');
    if (line.compare(0, prefix.size(), prefix) != 0 || name_end == std::string::npos) continue;
    figures.commands[line.substr(prefix.size(), name_end - prefix.size())] = {value_in(line, "calls="),
                                                                              value_in(line, ",usec=")};
  }
  return figures;
}

RedisFigures RedisFigures::operator-(const RedisFigures& earlier) const {
  RedisFigures difference = *this;
  difference.memory_bytes = minus(memory_bytes, earlier.memory_bytes);
  difference.append_only_bytes = minus(append_only_bytes, earlier.append_only_bytes);
  for (auto& [name, command] : difference.commands) {
    const auto before = earlier.commands.find(name);
    if (before == earlier.commands.end()) continue;
    command.calls -= before->second.calls;
    command.microseconds -= before->second.microseconds;
  }
  std::erase_if(difference.commands, [](const auto& entry) { return entry.second.calls == 0; });
  return difference;
}

}  // namespace ns::bench
