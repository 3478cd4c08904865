// A tokenizer of 256 bytes, a few merges and three added tokens, built in the test, with any part
// of the file replaced.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer.h"

namespace pawl {

struct TinyFile {
  Json json;
  int next_id = 0;

  // Bytes 0 to 255 have ids 0 to 255; then the merges' results; then the added tokens.
  TinyFile() {
    json = Json{{"version", "1.0"},
                {"added_tokens", Json::array()},
                {"normalizer", nullptr},
                {"pre_tokenizer",
                 {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
                {"post_processor", nullptr},
                {"decoder", {{"type", "ByteLevel"}}},
                {"model", {{"type", "BPE"}, {"vocab", Json::object()}, {"merges", Json::array()}}}};
    for (int byte = 0; byte < 256; ++byte) {
      const char raw = static_cast<char>(byte);
      json["model"]["vocab"][ToByteAlphabet({&raw, 1})] = next_id++;
    }
    AddMerge("a", "b");
    AddMerge("ab", "c");
    AddMerge("b", "c");
    AddMerge("\xC4\xA0", "a");
  }
  // Texts in the byte alphabet.
  void AddMerge(const std::string& left, const std::string& right) {
    json["model"]["merges"].push_back({left, right});
    json["model"]["vocab"][left + right] = next_id++;
  }
  int AddToken(const std::string& content, bool special, const Json& flags = Json::object()) {
    Json token{{"id", next_id},   {"content", content},  {"single_word", false}, {"lstrip", false},
               {"rstrip", false}, {"normalized", false}, {"special", special}};
    token.update(flags);
    json["added_tokens"].push_back(token);
    return next_id++;
  }
  Result<Tokenizer> Load(const std::string& config = "", const std::string& chat = "") const {
    return Tokenizer::FromJson(WriteJson(json), config, chat, "tiny");
  }
};

// The tokenizer of a file that must be good.
inline Tokenizer MustLoad(Result<Tokenizer>&& loaded) {
  if (!loaded) throw std::runtime_error(loaded.error().message);
  return std::move(*loaded);
}

inline std::vector<std::int32_t> Ids(const Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.Encode(text, ControlTokens::kRecognise);
}

}  // namespace pawl
