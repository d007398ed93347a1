// What the bench's trials carry: the same sizes for this queue and for every peer. Plain values; any thread.
#pragma once

#include <cstddef>
#include <string>

namespace ns::bench {

inline constexpr const char* kTaskKind = "nothing";
inline constexpr const char* kTaskSpec = R"({"kind":"nothing","parameter_bytes":200,"result_bytes":100})";
inline constexpr std::size_t kParametersBytes = 200;
inline constexpr std::size_t kResultBytes = 100;

// JSON text of exactly so many bytes, at least 8.
inline std::string json_of(std::size_t bytes) { return R"({"x":")" + std::string(bytes - 8, 'x') + R"("})"; }

}  // namespace ns::bench
