#include "tokenizer/splitter.h"

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace pawl {
namespace {

// Reads characters with their classes; `end` is the end of the text.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  std::size_t size() const { return text_.size(); }
  char byte(std::size_t pos) const { return pos < text_.size() ? text_[pos] : '\0'; }

  // Class of the character at pos (< size), and the offset behind it.
  CharClass At(std::size_t pos, std::size_t* next) const {
    *next = pos;
    return ClassOf(DecodeUtf8(text_, next));
  }
  // Behind the run of characters of one class that starts at pos, at most limit characters long.
  std::size_t Run(std::size_t pos, CharClass wanted, std::size_t limit = SIZE_MAX) const {
    std::size_t next = pos;
    while (pos < size() && limit-- > 0 && At(pos, &next) == wanted) pos = next;
    return pos;
  }
  std::size_t Newlines(std::size_t pos) const {
    while (pos < size() && (text_[pos] == '\r' || text_[pos] == '\n')) ++pos;
    return pos;
  }
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

// Behind 's 't 're 've 'm 'll 'd at pos, or pos.  Folding case over Unicode adds U+017F for s.
std::size_t Contraction(const Cursor& cursor, std::size_t pos, bool fold_case) {
  const auto letter = [&](std::size_t i) {
    const char c = cursor.byte(pos + i);
    return fold_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  const char first = letter(1), second = letter(2);
  switch (first) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return pos + 2;
    case 'r':
    case 'v':
      return second == 'e' ? pos + 3 : pos;
    case 'l':
      return second == 'l' ? pos + 3 : pos;
    default:
      break;
  }
  if (fold_case && cursor.text().substr(pos + 1, 2) == "\xC5\xBF") return pos + 3;
  return pos;
}

// The end of \s+(?!\S)|\s+ where a run of white space starts at pos.
std::size_t WhiteSpace(const Cursor& cursor, std::size_t pos) {
  std::size_t end = pos, next = pos, last = pos;
  while (end < cursor.size() && IsSpaceClass(cursor.At(end, &next))) {
    last = end;
    end = next;
  }
  return end == cursor.size() || last == pos ? end : last;
}

std::size_t NextGpt2(const Cursor& cursor, std::size_t pos) {
  if (cursor.byte(pos) == '\'') {
    const std::size_t end = Contraction(cursor, pos, false);
    if (end != pos) return end;
  }
  std::size_t next = pos;
  CharClass first = cursor.At(pos, &next);
  if (cursor.byte(pos) == ' ' && next < cursor.size()) {
    std::size_t behind = next;
    const CharClass second = cursor.At(next, &behind);
    if (!IsSpaceClass(second)) return cursor.Run(behind, second);
  }
  return IsSpaceClass(first) ? WhiteSpace(cursor, pos) : cursor.Run(next, first);
}

// The end of [^\s\p{L}\p{N}]+[\r\n]* from pos.
std::size_t Symbols(const Cursor& cursor, std::size_t pos) {
  return cursor.Newlines(cursor.Run(pos, CharClass::kOther));
}

std::size_t NextQwen2(const Cursor& cursor, std::size_t pos, std::size_t max_digits) {
  if (cursor.byte(pos) == '\'') {
    const std::size_t end = Contraction(cursor, pos, true);
    if (end != pos) return end;
  }
  std::size_t next = pos;
  const CharClass first = cursor.At(pos, &next);
  if (first == CharClass::kLetter) return cursor.Run(next, CharClass::kLetter);
  if (first == CharClass::kNumber) return cursor.Run(pos, CharClass::kNumber, max_digits);
  std::size_t behind = next;
  const CharClass second = next < cursor.size() ? cursor.At(next, &behind) : CharClass::kSpace;
  if (first != CharClass::kNewline && second == CharClass::kLetter) {
    return cursor.Run(behind, CharClass::kLetter);
  }
  if (first == CharClass::kOther) return Symbols(cursor, pos);
  if (cursor.byte(pos) == ' ' && second == CharClass::kOther) return Symbols(cursor, next);
  // \s*[\r\n]+ ends behind the last newline of the run of white space.
  std::size_t end = pos, newline_end = pos;
  while (end < cursor.size()) {
    const CharClass c = cursor.At(end, &next);
    if (!IsSpaceClass(c)) break;
    end = next;
    if (c == CharClass::kNewline) newline_end = end;
  }
  return newline_end != pos ? newline_end : WhiteSpace(cursor, pos);
}

}  // namespace

std::optional<KnownPattern> RecogniseRegex(std::string_view regex) {
  if (regex == kGpt2Regex) return KnownPattern::kGpt2;
  if (regex == kQwen2Regex) return KnownPattern::kQwen2;
  if (regex == kLlama3Regex) return KnownPattern::kLlama3;
  return std::nullopt;
}

void SplitKnown(KnownPattern pattern, std::string_view text, std::vector<std::size_t>* ends) {
  const Cursor cursor(text);
  for (std::size_t pos = 0; pos < text.size();) {
    switch (pattern) {
      case KnownPattern::kGpt2:
        pos = NextGpt2(cursor, pos);
        break;
      case KnownPattern::kQwen2:
        pos = NextQwen2(cursor, pos, 1);
        break;
      case KnownPattern::kLlama3:
        pos = NextQwen2(cursor, pos, 3);
        break;
    }
    ends->push_back(pos);
  }
}

}  // namespace pawl
