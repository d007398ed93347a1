// Settings: how a broker uses Redis, and what it asks of it. Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace ns::broker::store {

// What an acknowledgement means.
enum class Durability {
  none,      // Redis has it in memory: a restart may lose it
  everysec,  // it is in Redis' append-only file, which is forced to disk each second
  always,    // it is on the disk
};

struct Settings {
  std::string address;  // see parse_location
  std::string user;     // of Redis' ACL; empty: the default one
  std::string password;
  Durability durability = Durability::everysec;
  std::uint32_t replicas = 0;  // that must have a write before it is acknowledged
};

// A line of a file that nobody but its owner may read. Error(invalid) says what is wrong with it.
std::string read_password(const std::string& file);

// What a redis-server says of itself: INFO, and CONFIG GET where the user may.
struct ServerState {
  std::map<std::string, std::string, std::less<>> info;
  std::map<std::string, std::string, std::less<>> config;
  bool config_is_known = false;

  std::string_view info_of(std::string_view name) const;  // empty: it does not say
  std::string_view config_of(std::string_view name) const;
};
ServerState parse_info(std::string_view info);

// The settings of Redis that require_suitable looks at.
inline constexpr std::string_view kConfigNames[] = {"appendonly", "appendfsync", "maxmemory", "maxmemory-policy",
                                                    "hash-max-listpack-value"};

// Both: Error(unsupported) when this server must not be used so; the sentence says which line of redis.conf is right.
// Error(unavailable) when it cannot be used now. What is merely unwise is logged.
void require_usable(const ServerState&);  // looks at INFO alone
void require_suitable(const ServerState&, const Settings&);

}  // namespace ns::broker::store
