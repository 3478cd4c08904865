// Byte-level BPE tokenizers of Hugging Face folders: text to ids and back, equal to
//   Tokenizer.from_file(...).encode(text, add_special_tokens=False).ids   and   .decode(ids).
// BOS is never added: a chat template writes it.  Truncation and padding settings are ignored.
//
// Supported: model BPE (both forms of merges, ignore_merges), normalizer null or NFC (Unicode 9, as
// the reference), pre-tokenizers of pretokenizer.h, decoder ByteLevel, any number of added tokens.
// Everything else is an error that names file and place.
//
//   PAWL_ASSIGN(const Tokenizer tokenizer, Tokenizer::Load(folder));
//   const auto ids = tokenizer.Encode("2 + 2 =", ControlTokens::kRecognise);
//   const std::string text = tokenizer.Decode(ids, /*skip_special_tokens=*/true);
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/pretokenizer.h"

namespace pawl {

enum class ControlTokens : std::uint8_t {
  kRecognise,  // added tokens in the text (special or not) become their ids
  kPlain,      // the text of added tokens is ordinary text
};

// A special token that tokenizer_config.json names; id is absent where the vocabulary lacks it.
struct NamedToken {
  std::string content;
  std::optional<std::int32_t> id;
};

// Immutable after loading; all const methods may be called by several threads at once.
class Tokenizer {
 public:
  // folder holds tokenizer.json and optionally tokenizer_config.json and chat_template.jinja (which
  // wins over the configuration's template).  Symbolic links are followed.
  static Result<Tokenizer> Load(const std::filesystem::path& folder);
  // The same from texts; empty config_json or chat_template: absent.  place names them in errors.
  static Result<Tokenizer> FromJson(std::string_view tokenizer_json, std::string_view config_json,
                                    std::string_view chat_template, const std::string& place);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Ill-formed UTF-8 is read as U+FFFD.  A file's own regular expression (other than the known
  // ones) that gives up at its limits leaves the part between two added tokens unsplit here, and is
  // an error in TryEncode.
  std::vector<std::int32_t> Encode(std::string_view text, ControlTokens mode) const;
  Result<std::vector<std::int32_t>> TryEncode(std::string_view text, ControlTokens mode) const;
  // As kRecognise, but a control token that touches one of the ascending `plain` spans (bytes of
  // text) stays ordinary text.  Without such a token the ids equal those of kRecognise.
  Result<std::vector<std::int32_t>> EncodeWithPlainSpans(std::string_view text,
                                                         std::span<const Span> plain) const;

  // Ids outside the vocabulary stand for nothing; ill-formed bytes become U+FFFD.
  std::string Decode(std::span<const std::int32_t> ids, bool skip_special_tokens) const;
  // The bytes an id stands for; empty for an id outside the vocabulary.
  std::string_view TokenBytes(std::int32_t id) const;

  // Ids are 0 to vocab_size() - 1 without gaps (a model may have more rows than that).
  std::int32_t vocab_size() const;
  // By content of an added token, or by key of the vocabulary (in the byte alphabet).
  std::optional<std::int32_t> IdOf(std::string_view content) const;
  bool IsSpecial(std::int32_t id) const;
  const std::vector<AddedToken>& added_tokens() const;

  const std::optional<NamedToken>& bos() const;
  const std::optional<NamedToken>& eos() const;
  const std::optional<NamedToken>& pad() const;
  const std::optional<NamedToken>& unk() const;
  // The text of the chat template, if the folder has one.
  const std::optional<std::string>& chat_template() const;

 private:
  struct State;
  friend class TokenizerLoader;
  explicit Tokenizer(std::unique_ptr<State> state);
  // Ids of text that holds no added token of the first pass.
  Status EncodePart(std::string_view text, std::span<const Span> plain, bool recognise, bool strict,
                    std::vector<std::int32_t>* ids) const;
  Status EncodeText(std::string_view text, std::span<const Span> plain, bool recognise, bool strict,
                    std::vector<std::int32_t>* ids) const;

  std::unique_ptr<State> state_;
};

}  // namespace pawl
