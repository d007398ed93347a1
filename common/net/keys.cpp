#include "common/net/keys.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "common/error.h"

namespace ns::net {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFileBytes = 4096;
constexpr std::size_t kKeyText = kKeyCharacters + 1;  // as libzmq writes it, with a zero at the end

std::string quoted(const fs::path& file) { return "'" + file.string() + "'"; }

Error cannot(const fs::path& file, const std::string& what) {
  return Error(ErrorCode::invalid, "key file " + quoted(file) + " cannot be " + what + ": " + std::strerror(errno),
               "key");
}

Error is_there(const fs::path& file) {
  return Error(ErrorCode::conflict, quoted(file) + " is there already: a key is never overwritten; name another file",
               "key");
}

struct stat status_of(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) throw cannot(file, "read");
  return status;
}

void write_new_file(const fs::path& file, const std::string& text, mode_t mode) {
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (descriptor < 0 && errno == EEXIST) throw is_there(file);
  if (descriptor < 0) throw cannot(file, "made");
  const bool written = ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fchmod(descriptor, mode) == 0;
  ::close(descriptor);
  if (!written) throw cannot(file, "written");
}

// The one line that is no comment. A comment begins with "# ": no key has a blank in it.
std::string key_in(const fs::path& file) {
  std::ifstream stream(file);
  if (!stream || fs::is_directory(file)) throw cannot(file, "read");
  std::string line, key;
  for (std::size_t read = 0; std::getline(stream, line) && read <= kMostFileBytes; read += line.size()) {
    if (line.empty() || line == "#" || line.compare(0, 2, "# ") == 0) continue;
    if (!key.empty() || !is_key(line)) {
      throw Error(ErrorCode::invalid,
                  quoted(file) + " is no key file: it must hold one key of 40 characters; make one with: " +
                      "ns-client keys new FILE",
                  "key");
    }
    key = line;
  }
  if (key.empty()) {
    throw Error(ErrorCode::invalid, quoted(file) + " holds no key; make one with: ns-client keys new FILE", "key");
  }
  return key;
}

}  // namespace

KeyPair make_key_pair() {
  char public_key[kKeyText] = {}, secret_key[kKeyText] = {};
  if (zmq_curve_keypair(public_key, secret_key) != 0) {
    throw Error(ErrorCode::unsupported, "this libzmq was built without CURVE: Debian's libzmq5 has it");
  }
  return {public_key, secret_key};
}

bool is_key(std::string_view text) {
  if (text.size() != kKeyCharacters) return false;
  const std::string terminated(text);
  unsigned char bytes[32];
  return zmq_z85_decode(bytes, terminated.c_str()) != nullptr;
}

std::string key_from_bytes(const unsigned char (&bytes)[32]) {
  char text[kKeyText] = {};
  zmq_z85_encode(text, bytes, sizeof bytes);
  return text;
}

fs::path public_key_file(const fs::path& file) { return file.string() + ".pub"; }

void write_key_files(const fs::path& file, const KeyPair& keys) {
  if (fs::exists(public_key_file(file))) throw is_there(public_key_file(file));
  write_new_file(file,
                 "# The secret key of a process of NS: whoever can read this file can pass for it.\n"
                 "# Its public key is in the file of the same name that ends in .pub.\n" +
                     keys.secret_key + "\n",
                 0600);
  write_new_file(public_key_file(file), keys.public_key + "\n", 0644);
}

KeyPair read_key_file(const fs::path& file) {
  require_private(file);
  KeyPair keys;
  keys.secret_key = key_in(file);
  char public_key[kKeyText] = {};
  if (zmq_curve_public(public_key, keys.secret_key.c_str()) != 0) {
    throw Error(ErrorCode::invalid, quoted(file) + " holds no secret key", "key");
  }
  keys.public_key = public_key;
  return keys;
}

std::string read_public_key(const std::string& file_or_key) {
  std::error_code ignored;
  if (is_key(file_or_key) && !fs::exists(file_or_key, ignored)) return file_or_key;
  return key_in(file_or_key);
}

void require_private(const fs::path& file) {
  const struct stat status = status_of(file);
  // Kubernetes mounts a secret as root's, readable by the group of the pod; no one else is in that group.
  const mode_t refused = status.st_uid == 0 && ::geteuid() != 0 ? 0037 : 0077;
  if ((status.st_mode & refused) == 0) return;
  throw Error(ErrorCode::invalid,
              "key file " + quoted(file) + " may be read or written by others; run: chmod 600 " + file.string(), "key");
}

void require_not_writable_by_others(const fs::path& file) {
  if ((status_of(file).st_mode & 0022) == 0) return;
  throw Error(ErrorCode::invalid, quoted(file) + " may be written by others; run: chmod go-w " + file.string());
}

PeerKeys read_peer_keys(const std::string& key_file, const std::string& broker_key) {
  if (key_file.empty() && broker_key.empty()) return {};
  if (broker_key.empty()) {
    throw Error(ErrorCode::invalid,
                "a key is given but not the broker's: give its public key too (--broker-key FILE.pub)", "broker-key");
  }
  if (key_file.empty()) {
    throw Error(ErrorCode::invalid,
                "the broker's key is given but none of one's own: give it with --key FILE; make one with: "
                "ns-client keys new FILE",
                "key");
  }
  return {read_key_file(key_file), read_public_key(broker_key)};
}

}  // namespace ns::net
