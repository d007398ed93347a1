#include "common/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <fstream>
#include <vector>

#include "common/error.h"

namespace ns {

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  if (state_->context == nullptr || EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) != 1) {
    throw Error(ErrorCode::internal, "SHA-256 cannot be started");
  }
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::add(std::string_view bytes) {
  if (EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) != 1) {
    throw Error(ErrorCode::internal, "SHA-256 failed");
  }
}

std::string Sha256::hexadecimal() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(state_->context, digest.data(), &size) != 1) {
    throw Error(ErrorCode::internal, "SHA-256 failed");
  }
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text.push_back(kDigits[digest[i] >> 4]);
    text.push_back(kDigits[digest[i] & 15u]);
  }
  return text;
}

ArtifactId artifact_id_of(std::string_view bytes) {
  Sha256 hash;
  hash.add(bytes);
  return {"sha256:" + hash.hexadecimal()};
}

ArtifactId artifact_id_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::not_found, "file '" + path.string() + "' cannot be opened");
  Sha256 hash;
  std::vector<char> buffer(256u << 10);
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(buffer.size()));
    hash.add({buffer.data(), static_cast<std::size_t>(file.gcount())});
  }
  if (file.bad()) throw Error(ErrorCode::unavailable, "file '" + path.string() + "' cannot be read to its end");
  return {"sha256:" + hash.hexadecimal()};
}

}  // namespace ns
