// What every command is given: the global flags, and where they, the environment and the settings file say that the
// broker is. Plain values; read in main, constant afterwards.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "client/terminal/screen.h"
#include "common/api/client.h"

namespace ns::client {

struct Settings {
  bool json = false;
  std::vector<std::string> brokers;  // --broker
  std::string key;                   // --key, the file of one's own secret key
  std::string broker_key;            // --broker-key, a file or the key itself
  std::string config;                // --config
  std::string directory;             // --dir, of the private stack
  Terminal terminal;                 // of standard output
};

// The private stack's folder: --dir, NS_DIR, $XDG_STATE_HOME/ns, ~/.local/state/ns.
std::filesystem::path stack_directory(const Settings&);

// --broker, NS_BROKER (separated by commas), the settings file's `broker`, the running private stack; the first that
// says anything. Error(unavailable) with the next step when none does.
std::vector<std::string> find_endpoints(const Settings&);

// The keys for a broker at tcp:// that has one: --key and --broker-key, NS_KEY and NS_BROKER_KEY, the settings file's
// `key` and `broker_key`; each from the first that says anything. Empty when nothing does.
net::PeerKeys find_keys(const Settings&);

// A client for find_endpoints() whose calls end with Error(cancelled) on Ctrl-C.
std::unique_ptr<api::Client> connect(const Settings&);

// The task that a person means by its id, by the first or last four or more characters of it, or by "last".
TaskId find_task(api::Client&, const std::string& words);

}  // namespace ns::client
