#include "broker/listening.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "common/error.h"
#include "common/net/keys.h"

namespace ns::broker {
namespace {

bool begins_with(const std::string& text, std::string_view begin) { return text.compare(0, begin.size(), begin) == 0; }

// "127.x.y.z": a name that merely begins so may lead anywhere.
bool is_ipv4_loopback(const std::string& host) {
  return begins_with(host, "127.") && host.find_first_not_of("0123456789.") == std::string::npos &&
         std::count(host.begin(), host.end(), '.') == 3;
}

void require_own_folder(const std::string& endpoint) {
  const std::string path = endpoint.substr(std::string_view("ipc://").size());
  if (path.empty() || path.front() == '@') {
    throw Error(ErrorCode::invalid,
                "'" + endpoint + "': an abstract socket lets in every user of this machine; name a path", "listen");
  }
  try {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    net::require_not_writable_by_others(folder.empty() ? "." : folder);
  } catch (const Error& error) {
    throw Error(
        ErrorCode::invalid,
        "cannot listen safely on '" + endpoint + "': " + error.what() + ", name another folder, or say --insecure",
        "listen");
  }
}

}  // namespace

bool is_loopback(const std::string& endpoint) {
  constexpr std::string_view kTcp = "tcp://";
  const std::size_t colon = endpoint.rfind(':');
  if (!begins_with(endpoint, kTcp) || colon < kTcp.size()) return false;
  const std::string host = endpoint.substr(kTcp.size(), colon - kTcp.size());
  return host == "localhost" || host == "lo" || host == "[::1]" || is_ipv4_loopback(host);
}

void require_safe_listening(const Options& options) {
  if (options.key.empty() != options.authorized_keys.empty()) {
    throw Error(ErrorCode::invalid,
                options.key.empty() ? "--authorized-keys says whom to let in, --key is missing: ns-client keys new FILE"
                                    : "--key is given; whom to let in is missing: --authorized-keys FILE, a line "
                                      "`<role> <public key> <name>` for each (role: client, worker or admin)",
                options.key.empty() ? "key" : "authorized-keys");
  }
  if (options.insecure) return;
  for (const std::string& endpoint : options.listen) {
    if (begins_with(endpoint, "ipc://")) require_own_folder(endpoint);
    if (!begins_with(endpoint, "tcp://") || !options.key.empty() || is_loopback(endpoint)) continue;
    throw Error(
        ErrorCode::invalid,
        "'" + endpoint +
            "' can be reached from other machines, and without keys whoever reaches it may run commands on "
            "every worker. Make the broker's key and one for each worker and client, and list these:\n"
            "  ns-client keys new broker.key\n"
            "  ns-client keys new node-1.key && echo \"worker $(cat node-1.key.pub) node-1\" >> authorized-keys\n"
            "  ns-broker --key broker.key --authorized-keys authorized-keys --listen " +
            endpoint +
            " ...\n"
            "or listen on tcp://127.0.0.1, or say --insecure on a network that you trust",
        "listen");
  }
}

}  // namespace ns::broker
