#include "broker/store/settings.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "common/error.h"
#include "common/log.h"

namespace ns::broker::store {
namespace {

constexpr int kOldestMajor = 7;                     // has functions
constexpr std::uint64_t kWiseListpackValue = 1024;  // our records fit: a third of the memory less

Error unsuitable(const std::string& sentence) { return Error(ErrorCode::unsupported, "Redis " + sentence); }

std::uint64_t number_in(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

void require_append_only_file(const ServerState& server) {
  if (server.info_of("aof_enabled") == "1") return;
  throw unsuitable(
      "keeps no append-only file, so that its restart would lose acknowledged tasks: set 'appendonly yes' in its "
      "redis.conf, or accept the loss with --durability none");
}

void require_fsync(const ServerState& server, Durability durability) {
  const std::string setting(server.config_of("appendfsync"));
  if (!server.config_is_known) {
    if (durability == Durability::everysec) {
      log::warning("whether Redis forces its file to disk each second is not known: its user may not use CONFIG GET");
      return;
    }
    throw unsuitable(
        "does not let this user see whether it forces each write to disk: add '+config|get' to the user's ACL rule, or "
        "use --durability everysec");
  }
  if (setting == "always" || (setting == "everysec" && durability == Durability::everysec)) return;
  if (durability == Durability::everysec) {
    throw unsuitable("has 'appendfsync " + setting +
                     "': set 'appendfsync everysec' in its redis.conf, or accept the loss with --durability none");
  }
  throw unsuitable("has 'appendfsync " + setting +
                   "': --durability always needs 'appendfsync always' in its redis.conf");
}

void require_no_eviction(const ServerState& server) {
  const std::string policy(server.config_of("maxmemory-policy"));
  if (policy.empty() || policy == "noeviction") return;
  if (number_in(server.config_of("maxmemory")) > 0 && policy.compare(0, 7, "allkeys") == 0) {
    throw unsuitable("has 'maxmemory-policy " + policy +
                     "', and would throw tasks away when it is full: set 'maxmemory-policy noeviction' in its "
                     "redis.conf");
  }
  log::warning("Redis has 'maxmemory-policy {}': 'noeviction' is right, so that nothing is ever thrown away", policy);
}

void advise(const ServerState& server) {
  const std::string_view longest = server.config_of("hash-max-listpack-value");
  if (!longest.empty() && number_in(longest) < kWiseListpackValue) {
    log::warning("Redis has 'hash-max-listpack-value {}': with {} tasks and trials take much less of its memory",
                 longest, kWiseListpackValue);
  }
}

}  // namespace

std::string read_password(const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    return Error(ErrorCode::invalid, "redis password file " + file + ": " + why, "redis-password-file");
  };
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) throw refuse("there is no such file");
  // As for key files: what Kubernetes mounts is root's, and readable by the pod's group.
  const mode_t refused = status.st_uid == 0 && ::geteuid() != 0 ? 0037 : 0077;
  if ((status.st_mode & refused) != 0) throw refuse("others may read or write it; run: chmod 600 " + file);
  std::ifstream stream(file);
  std::string password;
  if (!std::getline(stream, password) || password.empty()) throw refuse("its first line must be the password");
  return password;
}

std::string_view ServerState::info_of(std::string_view name) const {
  const auto found = info.find(name);
  return found == info.end() ? std::string_view() : std::string_view(found->second);
}

std::string_view ServerState::config_of(std::string_view name) const {
  const auto found = config.find(name);
  return found == config.end() ? std::string_view() : std::string_view(found->second);
}

// Lines "name:value".
ServerState parse_info(std::string_view info) {
  ServerState state;
  while (!info.empty()) {
    const std::string_view line = info.substr(0, info.find("\r\n"));
    info.remove_prefix(std::min(info.size(), line.size() + 2));
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos) state.info.emplace(line.substr(0, colon), line.substr(colon + 1));
  }
  return state;
}

void require_usable(const ServerState& server) {
  const std::string_view version = server.info_of("redis_version");
  if (number_in(version) < kOldestMajor) {
    throw unsuitable("is version " + std::string(version) + ": functions need 7.0 or later");
  }
  if (server.info_of("role") != "master") {
    throw Error(ErrorCode::unavailable, "it is a replica, and its primary is not known here");
  }
  if (server.info_of("loading") == "1") throw Error(ErrorCode::unavailable, "it is reading its data");
}

void require_suitable(const ServerState& server, const Settings& settings) {
  if (settings.durability != Durability::none) {
    require_append_only_file(server);
    require_fsync(server, settings.durability);
  }
  require_no_eviction(server);
  advise(server);
}

}  // namespace ns::broker::store
