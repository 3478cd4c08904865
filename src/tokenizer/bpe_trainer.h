// Trains a byte-level BPE tokenizer (Sennrich et al. 2016, arXiv:1508.07909) and writes it in
// Hugging Face's form, with a ChatML template.  Deterministic: ties between pairs go to the smaller
// pair of token texts.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace pawl {

struct BpeTrainerOptions {
  std::size_t vocab_size = 768;  // at most; training ends earlier when no pair occurs twice
  int model_max_length = 512;
};

struct TokenizerFiles {
  std::string tokenizer_json, tokenizer_config_json;
};

// texts: whole chat texts, UTF-8; the three control tokens <|endoftext|> (0, padding),
// <|im_start|> (1) and <|im_end|> (2, end of sequence) in them separate what is learnt, ids 3 to
// 258 are the bytes.  Pieces: one digit; letters with a space before; a run of #; a newline; one
// symbol with a space before; a space before a digit is its own token.
Result<TokenizerFiles> TrainByteLevelBpe(const std::vector<std::string>& texts,
                                         const BpeTrainerOptions& options);

}  // namespace pawl
