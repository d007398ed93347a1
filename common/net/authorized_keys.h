// AuthorizedKeys: whom a broker lets in, and as what. One text file, read whole:
//
//   # role   public key (40 characters of Z85)          name, for people
//   worker   Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID   node-1
//   client   D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs   alice
//
// Immutable once read; any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>

namespace ns::net {

// As what a peer speaks; which requests each may send is broker/handlers/handlers.h.
enum class Role {
  none,    // not let in, or not any more
  client,  // submits, reads, cancels
  worker,  // leases jobs and reports; runs the coordinators of tasks
  admin,   // what clients do, and operating the queue
  broker,  // another broker on the same Redis: artifacts
  local,   // everything: a plain connection, guarded by the machine it stays on
};

std::string_view to_text(Role);

class AuthorizedKeys {
 public:
  struct Entry {
    Role role = Role::none;
    std::string name;
  };

  // Error(invalid) names the file and line.
  static AuthorizedKeys read(const std::filesystem::path&);
  static AuthorizedKeys parse(std::string_view text, const std::string& source);

  const Entry* find(const std::string& public_key) const;  // null: not in the list
  std::size_t size() const { return entries_.size(); }

 private:
  std::unordered_map<std::string, Entry> entries_;  // by public key
};

}  // namespace ns::net
