#include "common/net/authorized_keys.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/error.h"
#include "common/net/keys.h"

namespace ns::net {
namespace {

constexpr std::size_t kMostKeys = 100'000;
constexpr std::size_t kMostFileBytes = 16u << 20;
constexpr std::size_t kMostName = 128;

constexpr std::array<std::pair<std::string_view, Role>, 4> kListed{
    {{"client", Role::client}, {"worker", Role::worker}, {"admin", Role::admin}, {"broker", Role::broker}}};

Role listed_role(std::string_view word) {
  for (const auto& [name, role] : kListed) {
    if (word == name) return role;
  }
  return Role::none;
}

}  // namespace

std::string_view to_text(Role role) {
  for (const auto& [name, listed] : kListed) {
    if (role == listed) return name;
  }
  return role == Role::local ? "local" : "none";
}

AuthorizedKeys AuthorizedKeys::read(const std::filesystem::path& file) {
  require_not_writable_by_others(file);
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  if (!stream || std::filesystem::is_directory(file) || std::filesystem::file_size(file) > kMostFileBytes) {
    throw Error(ErrorCode::invalid, "'" + file.string() + "' is no list of authorized keys", "authorized-keys");
  }
  if (stream.peek() != std::ifstream::traits_type::eof()) text << stream.rdbuf();
  return parse(text.str(), file.string());
}

AuthorizedKeys AuthorizedKeys::parse(std::string_view text, const std::string& source) {
  AuthorizedKeys keys;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    const auto refuse = [&](const std::string& what) -> Error {
      return Error(ErrorCode::invalid, source + ", line " + std::to_string(number) + ": " + what, "authorized-keys");
    };
    std::istringstream words(line);
    std::string role, key, name;
    if (!(words >> role) || role.front() == '#') continue;
    words >> key;
    std::getline(words >> std::ws, name);
    Entry entry{listed_role(role), name.substr(0, name.find_last_not_of(" \t\r") + 1)};
    if (entry.role == Role::none) {
      throw refuse("'" + role.substr(0, 80) + "' is no role: it must be client, worker, admin or broker");
    }
    if (!is_key(key)) {
      throw refuse("'" + key.substr(0, 80) + "' is no public key: it must be the 40 characters of a FILE.pub");
    }
    if (entry.name.size() > kMostName) throw refuse("the name is longer than " + std::to_string(kMostName) + " bytes");
    if (!keys.entries_.emplace(key, std::move(entry)).second) throw refuse("this key is in the list already");
    if (keys.entries_.size() > kMostKeys) throw refuse("more than " + std::to_string(kMostKeys) + " keys");
  }
  return keys;
}

const AuthorizedKeys::Entry* AuthorizedKeys::find(const std::string& public_key) const {
  const auto found = entries_.find(public_key);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace ns::net
