// The pre-tokenizer of tokenizer.json: cuts text into the pieces that byte-pair merging never
// crosses.  Supported: Sequence, Split (Regex or String, all behaviors, invert), Digits, and
// ByteLevel, which must come last and exactly once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

struct Span {
  std::size_t begin, end;
  std::size_t size() const { return end - begin; }
};

enum class SplitBehavior : std::uint8_t {
  kRemoved,
  kIsolated,
  kMergedWithPrevious,
  kMergedWithNext,
  kContiguous,
};

// Immutable after FromJson; const methods are thread-safe.
class PreTokenizer {
 public:
  struct Step;

  PreTokenizer();
  PreTokenizer(PreTokenizer&&) noexcept;
  PreTokenizer& operator=(PreTokenizer&&) noexcept;
  ~PreTokenizer();

  // node: the value of "pre_tokenizer"; place names it in errors.
  static Result<PreTokenizer> FromJson(const Json& node, const std::string& place);

  // Cuts *text (well-formed UTF-8; changed only by add_prefix_space) into non-empty spans.
  // Only a regular expression that reaches its limits fails.
  Status Split(std::string* text, std::vector<Span>* spans) const;

 private:
  std::vector<Step> steps_;
};

}  // namespace pawl
