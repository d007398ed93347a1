// The folder beside the repository with real models and the ONNX backend tests; NS_SHARED says when it is elsewhere.
// Tests that need it skip where it is not.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace ns::test {

inline std::filesystem::path shared_folder(const std::filesystem::path& sources) {
  const char* elsewhere = std::getenv("NS_SHARED");
  return elsewhere != nullptr ? std::filesystem::path(elsewhere) : sources.parent_path() / "shared";
}

}  // namespace ns::test
