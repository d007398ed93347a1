// Keys of CURVE, ZeroMQ's encryption: who a broker is, and who may speak to it. A key is 40 characters of Z85.
//
// A secret key lies in a file that its owner alone may read, the public one beside it in FILE.pub. Plain values and
// functions; any thread.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace ns::net {

inline constexpr std::size_t kKeyCharacters = 40;

struct KeyPair {
  std::string public_key;
  std::string secret_key;
};

KeyPair make_key_pair();

// 40 characters of Z85 that stand for 32 bytes.
bool is_key(std::string_view);
std::string key_from_bytes(const unsigned char (&bytes)[32]);

// Writes FILE (mode 0600) and FILE.pub. Error(conflict) when either is there: a key is never overwritten.
void write_key_files(const std::filesystem::path& file, const KeyPair&);
std::filesystem::path public_key_file(const std::filesystem::path& file);

// The pair whose secret key is in FILE; Error(invalid) says what to do about a file that others may read.
KeyPair read_key_file(const std::filesystem::path& file);
// A FILE.pub, or the 40 characters themselves.
std::string read_public_key(const std::string& file_or_key);

// Whether others than its owner may read or write a file, as Error(invalid) with the command that helps.
void require_private(const std::filesystem::path& file);
void require_not_writable_by_others(const std::filesystem::path& file_or_folder);

// What a peer needs to be let in where a broker has a key; without, connections are plain. Keys are for tcp://: an
// ipc:// endpoint is guarded by the folder it is in.
struct PeerKeys {
  KeyPair own;
  std::string broker;  // its public key: nobody else can pass for it
  bool empty() const { return broker.empty(); }
};

// From --key FILE and --broker-key PUB: both or neither.
PeerKeys read_peer_keys(const std::string& key_file, const std::string& broker_key);

}  // namespace ns::net
