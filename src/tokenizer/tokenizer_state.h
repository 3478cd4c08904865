// Inside of Tokenizer, shared by encoding and loading.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/piece_cache.h"
#include "tokenizer/tokenizer.h"

namespace pawl {

struct Tokenizer::State {
  std::optional<Bpe> bpe;
  PreTokenizer pre_tokenizer;
  bool nfc = false;
  std::vector<AddedToken> added;
  AddedTokenMatcher raw_matcher;         // normalized: false
  AddedTokenMatcher normalized_matcher;  // normalized: true, looked for after normalisation
  std::vector<std::string> bytes;        // per id
  std::vector<bool> special;             // per id
  std::optional<NamedToken> bos, eos, pad, unk;
  std::optional<std::string> chat_template;
  mutable PieceCachePool caches;
};

}  // namespace pawl
