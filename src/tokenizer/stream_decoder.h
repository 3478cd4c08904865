// Decoding ids as they come: text is emitted as soon as no later id can change it.
#pragma once

#include <cstdint>
#include <string>

namespace pawl {

class Tokenizer;

// At most 3 bytes (a proper prefix of a well-formed character) are held back after each id; the
// pieces and the flush together equal Tokenizer::Decode of all ids.  One stream, one thread.
class StreamDecoder {
 public:
  // The tokenizer must outlive the decoder.
  StreamDecoder(const Tokenizer& tokenizer, bool skip_special_tokens)
      : tokenizer_(&tokenizer), skip_special_tokens_(skip_special_tokens) {}

  // The text that this id settles, perhaps empty.
  std::string Push(std::int32_t id);
  // What was held back becomes U+FFFD; the decoder is then as new.
  std::string Flush();

 private:
  const Tokenizer* tokenizer_;
  bool skip_special_tokens_;
  std::string held_;
};

}  // namespace pawl
