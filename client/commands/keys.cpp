#include "common/net/keys.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "client/as_json.h"
#include "client/commands/command.h"
#include "client/commands/commands.h"

namespace ns::client {

namespace {

constexpr const char* kFooter = R"(
A key is a pair: FILE is secret and stays with whoever it stands for, FILE.pub may be known to all.

  ns-client keys new broker.key                                          on the broker's machine
  ns-client keys new node-1.key                                          one for each worker and person
  echo "worker $(cat node-1.key.pub) node-1" >> authorized-keys          whom the broker lets in, and as what
  ns-broker --key broker.key --authorized-keys authorized-keys --listen tcp://*:7711 ...
  ns-worker --key node-1.key --broker-key broker.key.pub --broker tcp://HOST:7711 ...

Roles: client submits, reads and cancels; worker leases jobs and reports; admin does what clients do and operates the
queue. The broker reads the list again at SIGHUP; who is connected and still listed stays connected.)";

struct Chosen {
  std::string action, file;
};

void say_what_now(const std::string& file, const std::string& public_file) {
  fmt::print("{}  secret: only its owner may read it; keep it there\n", file);
  fmt::print("{}  public: give it to the other side\n\n", public_file);
  fmt::print("To let a worker or client in that has this key, on the broker's machine:\n");
  fmt::print("  echo \"worker $(cat {}) NAME\" >> authorized-keys     (or: client, admin)\n", public_file);
  fmt::print("It then connects with:   --key {} --broker-key BROKER.pub\n", file);
  fmt::print("A broker uses it with:   --key {} --authorized-keys authorized-keys\n", file);
}

int make(const std::string& file, bool json) {
  const net::KeyPair keys = net::make_key_pair();
  net::write_key_files(file, keys);
  const std::string public_file = net::public_key_file(file).string();
  if (json) {
    print_json({{"secret_file", file}, {"public_file", public_file}, {"public_key", keys.public_key}});
  } else {
    say_what_now(file, public_file);
  }
  return 0;
}

int show(const std::string& file, bool json) {
  const std::string key = net::read_key_file(file).public_key;
  if (json) {
    print_json({{"secret_file", file}, {"public_key", key}});
  } else {
    fmt::print("{}\n", key);
  }
  return 0;
}

int run(const Chosen& chosen, const Settings& settings) {
  if (chosen.action == "new") return make(chosen.file, settings.json);
  if (chosen.action == "show") return show(chosen.file, settings.json);
  throw Error(ErrorCode::invalid, fmt::format("\"{}\" is nothing to do with keys; expected new or show", chosen.action),
              "action");
}

}  // namespace

void add_keys(CommandLine& line) {
  const auto chosen = std::make_shared<Chosen>();
  Command& command = line.add("keys", "Make the keys that a broker on other machines asks for");
  command.argument("ACTION", chosen->action, "new: make a pair; show: print the public key of a secret one");
  command.argument("FILE", chosen->file, "The secret key's file; the public one is FILE.pub");
  command.footer(kFooter);
  command.run([chosen](const Settings& settings) { return run(*chosen, settings); });
}

}  // namespace ns::client
