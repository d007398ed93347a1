// Authenticator: decides who may connect to a Router that has a key (ZAP, ZeroMQ's RFC 27), and as what.
//
// It answers on a thread of its own, so that a handshake never waits for the loop, at inproc://zeromq.zap.01 of its
// Context. Whoever is not let in gets no further than the handshake. Who a peer is, is asked again with each message:
// a key that was taken from the list is refused from the next reload() on, whoever stays in the list keeps its
// connection. Brokers that share a key let one another in (Role::broker) without a line. Any thread; must outlive the
// Routers that it is given to, and one Context has at most one.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/net/authorized_keys.h"
#include "common/net/keys.h"
#include "common/net/socket.h"

namespace ns::net {

class Authenticator {
 public:
  // Reads the list; Error names the file and line that is wrong.
  Authenticator(Context&, KeyPair own, std::filesystem::path list);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // Reads the list again; when it is wrong, the Error says how and the old list stays.
  void reload();

  const KeyPair& own() const { return own_; }
  // The role behind a message's User-Id as the handshake set it.
  Role role_of(const std::string& user) const;
  std::string name_of(const std::string& user) const;  // for people

 private:
  class Door;  // the thread's side

  std::shared_ptr<const AuthorizedKeys> keys() const;

  const KeyPair own_;
  const std::filesystem::path list_;
  mutable std::mutex mutex_;
  std::shared_ptr<const AuthorizedKeys> keys_;  // guarded by mutex_
  std::unique_ptr<Door> door_;
  std::thread thread_;
};

}  // namespace ns::net
