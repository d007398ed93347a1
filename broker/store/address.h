// Where Redis is, as --redis says it. Values; any thread.
#pragma once

#include <compare>
#include <string>
#include <vector>

namespace ns::broker::store {

// Of one process.
struct Address {
  std::string path;  // of a unix socket, or
  std::string host;
  int port = 0;

  auto operator<=>(const Address&) const = default;
};
std::string text_of(const Address&);  // as parse_location reads it

// "unix:/path/redis.sock", "tcp://host:port", or where sentinels know it: "sentinel://host:port,host:port/name".
struct Location {
  Address server;
  std::vector<Address> sentinels;  // empty: it is the one at `server`
  std::string primary;             // its name among the sentinels
};
Location parse_location(const std::string& text);  // Error(invalid) says what is right

}  // namespace ns::broker::store
