// Short lists of words as one field of a worker's hash: "avx2,avx512_core".
#pragma once

#include <sstream>
#include <string>
#include <vector>

namespace ns::broker {

inline std::string join_commas(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

inline std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> words;
  std::istringstream stream{std::string(text)};
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

}  // namespace ns::broker
