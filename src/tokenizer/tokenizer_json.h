// Reads the text of tokenizer.json.  The vocabulary and the merges (hundreds of thousands of
// entries) go straight into tables; everything else becomes Json.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "tokenizer/bpe.h"

namespace pawl {

struct TokenizerJson {
  Json rest;         // without model.vocab and model.merges
  BpeTables tables;  // vocab and merges
  bool has_vocab = false, has_merges = false;
};

// place names the file in errors.  Merges may be "a b" strings ("#version" lines are skipped before
// ranks count) or ["a", "b"] lists.
Result<TokenizerJson> ReadTokenizerJson(std::string_view text, const std::string& place);

}  // namespace pawl
