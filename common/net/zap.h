// ZAP, ZeroMQ's authentication protocol (RFC 27), as bytes: what libzmq asks of an Authenticator, and its answer.
//
//   request := routing-id "" "1.0" request-id domain address identity mechanism credential*
//   reply   := routing-id "" "1.0" request-id status-code status-text user-id metadata
//
// Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ns::net::zap {

inline constexpr const char* kEndpoint = "inproc://zeromq.zap.01";
// Which of a Router's endpoints a peer came to; set by the Router, not by the peer.
inline constexpr const char* kCurveDomain = "ns.curve";
inline constexpr const char* kPlainDomain = "ns.plain";
inline constexpr const char* kPlainUser = "local";  // no key is spelled like that

struct Request {
  std::string routing_id;
  std::string id;
  std::string domain;
  std::string address;  // of the peer, for people
  std::string mechanism;
  std::string public_key;  // Z85; empty unless the mechanism is CURVE
};

struct Verdict {
  bool let_in = false;
  std::string user;  // the User-Id of all that this connection sends
};

// Nothing when this is no request.
std::optional<Request> parse(const std::vector<std::string>& parts);
// All parts of the reply but the last, the metadata, which is empty.
std::vector<std::string> encode(const Request&, const Verdict&);

}  // namespace ns::net::zap
