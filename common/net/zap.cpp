#include "common/net/zap.h"

#include <cstring>

#include "common/net/keys.h"

namespace ns::net::zap {
namespace {

constexpr const char* kVersion = "1.0";
constexpr std::size_t kFixedParts = 8;
constexpr std::size_t kMostText = 255;  // of domain, address, identity: more is not from libzmq

}  // namespace

std::optional<Request> parse(const std::vector<std::string>& parts) {
  if (parts.size() < kFixedParts || !parts[1].empty() || parts[2] != kVersion) return std::nullopt;
  for (std::size_t i = 3; i < kFixedParts; ++i) {
    if (parts[i].size() > kMostText) return std::nullopt;
  }
  Request request{parts[0], parts[3], parts[4], parts[5], parts[7], {}};
  if (request.mechanism == "CURVE") {
    unsigned char bytes[32];
    if (parts.size() != kFixedParts + 1 || parts[kFixedParts].size() != sizeof bytes) return std::nullopt;
    std::memcpy(bytes, parts[kFixedParts].data(), sizeof bytes);
    request.public_key = key_from_bytes(bytes);
  }
  return request;
}

std::vector<std::string> encode(const Request& request, const Verdict& verdict) {
  return {request.routing_id,
          "",
          kVersion,
          request.id,
          verdict.let_in ? "200" : "400",
          verdict.let_in ? "OK" : "this key is not in the list",
          verdict.user};
}

}  // namespace ns::net::zap
