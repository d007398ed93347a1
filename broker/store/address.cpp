#include "broker/store/address.h"

#include <sys/un.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "common/error.h"

namespace ns::broker::store {
namespace {

constexpr std::string_view kUnix = "unix:", kTcp = "tcp://", kSentinel = "sentinel://";

// "host:port"; a host that is an IPv6 address stands in brackets.
std::optional<Address> parse_host(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  Address address;
  address.host = host;
  const std::string_view port = text.substr(colon + 1);
  const auto [last, failure] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (failure != std::errc() || last != port.data() + port.size()) return std::nullopt;
  if (address.port < 1 || address.port > 65535) return std::nullopt;
  return address;
}

std::optional<Location> parse_sentinels(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash + 1 == text.size()) return std::nullopt;
  Location location;
  location.primary = text.substr(slash + 1);
  for (std::string_view rest = text.substr(0, slash);;) {
    const std::size_t comma = rest.find(',');
    const auto sentinel = parse_host(rest.substr(0, comma));
    if (!sentinel) return std::nullopt;
    location.sentinels.push_back(*sentinel);
    if (comma == std::string_view::npos) return location;
    rest.remove_prefix(comma + 1);
  }
}

std::optional<Location> parse(std::string_view text) {
  if (text.starts_with(kSentinel)) return parse_sentinels(text.substr(kSentinel.size()));
  Location location;
  if (text.starts_with(kUnix)) {
    location.server.path = text.substr(kUnix.size());
    if (location.server.path.empty() || location.server.path.size() >= sizeof(sockaddr_un::sun_path)) return {};
    return location;
  }
  if (!text.starts_with(kTcp)) return std::nullopt;
  const auto address = parse_host(text.substr(kTcp.size()));
  if (!address) return std::nullopt;
  location.server = *address;
  return location;
}

}  // namespace

std::string text_of(const Address& address) {
  if (!address.path.empty()) return std::string(kUnix) + address.path;
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return std::string(kTcp) + (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Location parse_location(const std::string& text) {
  if (auto location = parse(text)) return *location;
  throw Error(
      ErrorCode::invalid,
      "redis '" + text + "': it must be unix:/path/redis.sock, tcp://host:port or sentinel://host:port,host:port/name",
      "redis");
}

}  // namespace ns::broker::store
