// SHA-256 of bytes as they come; what names every artifact. The only user of OpenSSL in common/.
// One thread an object.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "common/id.h"

namespace ns {

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void add(std::string_view bytes);
  std::string hexadecimal();  // of everything added; ends the object

 private:
  struct State;
  std::unique_ptr<State> state_;
};

ArtifactId artifact_id_of(std::string_view bytes);
// Reads the whole file; Error(not_found) or Error(unavailable) names it.
ArtifactId artifact_id_of_file(const std::filesystem::path&);

}  // namespace ns
