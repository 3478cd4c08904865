#include "tokenizer/jinja_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tokenizer/jinja_text.h"
#include "tokenizer/utf8.h"

namespace pawl::jinja {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }
bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

std::string Stripped(const std::string& text, Sides sides) {
  return Strip(Text(text), sides, std::nullopt).bytes;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : s_(std::move(source)) {}

  Result<std::vector<Token>> Run() {
    while (at_ < s_.size()) {
      const std::size_t open = NextOpen(at_);
      AddText(s_.substr(at_, open - at_), open);
      if (open == s_.size()) break;
      const char kind = s_[open + 1];
      at_ = open + 2;
      if (at_ < s_.size() && (s_[at_] == '-' || s_[at_] == '+')) ++at_;
      if (kind == '#') {
        PAWL_TRY(Comment());
      } else if (kind == '%' && AcceptRaw()) {
        PAWL_TRY(Raw());
      } else {
        PAWL_TRY(Tag(kind == '{'));
      }
    }
    at_ = s_.size();
    Add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::size_t NextOpen(std::size_t from) const {
    for (std::size_t i = from; i + 1 < s_.size(); ++i) {
      if (s_[i] == '{' && (s_[i + 1] == '{' || s_[i + 1] == '%' || s_[i + 1] == '#')) return i;
    }
    return s_.size();
  }

  int Line() {
    const auto from = s_.begin() + static_cast<std::ptrdiff_t>(counted_);
    const auto to = s_.begin() + static_cast<std::ptrdiff_t>(std::max(counted_, at_));
    line_ += static_cast<int>(std::count(from, to, '\n'));
    counted_ = std::max(counted_, at_);
    return line_;
  }
  void Add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), Line()}); }
  tl::unexpected<Error> Bad(const std::string& what) {
    at_ = std::min(at_, s_.size());
    return BadFile(fmt::format("template line {}: {}", Line(), what));
  }

  // Text before a tag: trimmed as the tags on either side ask.
  void AddText(std::string text, std::size_t open) {
    bool line_start = at_ == 0;
    if (strip_next_) {
      text = Stripped(text, Sides::kLeft);
    } else if (trim_newline_ && text.starts_with('\n')) {
      text.erase(0, 1);
      line_start = true;
    }
    strip_next_ = trim_newline_ = false;
    if (open < s_.size()) {
      const char sign = open + 2 < s_.size() ? s_[open + 2] : ' ';
      if (sign == '-') {
        text = Stripped(text, Sides::kRight);
      } else if (sign != '+' && s_[open + 1] != '{') {
        // lstrip_blocks: blanks from the start of the line to a block or comment.
        const std::size_t last = text.find_last_not_of(" \t");
        const std::size_t blanks = last == std::string::npos ? 0 : last + 1;
        if (blanks == 0 ? line_start : text[last] == '\n') text.resize(blanks);
      }
    }
    if (!text.empty()) Add(TokenKind::kText, std::move(text));
  }

  // Behind a tag that ends at `close` with this many characters.
  void Leave(std::size_t close, std::size_t size, bool trims_newline) {
    const char sign = close > 0 ? s_[close - 1] : ' ';
    strip_next_ = sign == '-';
    trim_newline_ = trims_newline && sign != '+';
    at_ = close + size;
  }

  Status Comment() {
    const std::size_t close = s_.find("#}", at_);
    if (close == std::string::npos) return Bad("a comment is not closed");
    Leave(close, 2, true);
    return {};
  }

  void SkipSpace() {
    while (at_ < s_.size() && IsSpace(s_[at_])) ++at_;
  }

  // Is the tag that was just opened {% raw %}?  Then the text behind it comes next.
  bool AcceptRaw() {
    const std::size_t start = at_;
    SkipSpace();
    if (s_.compare(at_, 3, "raw") == 0) {
      at_ += 3;
      SkipSpace();
      const std::size_t sign = at_ < s_.size() && (s_[at_] == '-' || s_[at_] == '+') ? 1 : 0;
      if (s_.compare(at_ + sign, 2, "%}") == 0) {
        Leave(at_ + sign, 2, false);
        return true;
      }
    }
    at_ = start;
    return false;
  }

  Status Raw() {
    for (std::size_t open = at_; (open = s_.find("{%", open)) != std::string::npos; open += 2) {
      std::size_t i = open + 2;
      if (i < s_.size() && (s_[i] == '-' || s_[i] == '+')) ++i;
      while (i < s_.size() && IsSpace(s_[i])) ++i;
      if (s_.compare(i, 6, "endraw") != 0) continue;
      i += 6;
      while (i < s_.size() && IsSpace(s_[i])) ++i;
      if (i < s_.size() && (s_[i] == '-' || s_[i] == '+')) ++i;
      if (s_.compare(i, 2, "%}") != 0) continue;
      AddText(s_.substr(at_, open - at_), open);
      Leave(i, 2, true);
      return {};
    }
    return Bad("{% raw %} is not closed");
  }

  Status Tag(bool output) {
    Add(output ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, "");
    const std::string_view end = output ? "}}" : "%}";
    for (int depth = 0;;) {
      SkipSpace();
      if (at_ >= s_.size()) return Bad("a tag is not closed");
      const std::size_t sign = s_[at_] == '-' || s_[at_] == '+' ? 1 : 0;
      if (depth == 0 && s_.compare(at_ + sign, 2, end) == 0) {
        Add(output ? TokenKind::kOutputEnd : TokenKind::kBlockEnd, "");
        if (sign == 0) {
          trim_newline_ = !output;
          at_ += 2;
        } else {
          Leave(at_ + 1, 2, !output);
        }
        return {};
      }
      const char c = s_[at_];
      if (c == '(' || c == '[' || c == '{') ++depth;
      if (c == ')' || c == ']' || c == '}') --depth;
      PAWL_TRY(One());
    }
  }

  Status One() {
    const char c = s_[at_];
    if (IsNameStart(c)) {
      const std::size_t begin = at_;
      while (at_ < s_.size() && IsNamePart(s_[at_])) ++at_;
      Add(TokenKind::kName, s_.substr(begin, at_ - begin));
      return {};
    }
    if (IsDigit(c)) return Number();
    if (c == '"' || c == '\'') return StringToken(c);
    static constexpr std::array<std::string_view, 25> kOperators = {
        "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "|",
        "(",  ")",  "[",  "]",  "{",  "}",  ",", ":", ".", "=", "<", ">"};
    for (const std::string_view op : kOperators) {
      if (s_.compare(at_, op.size(), op) != 0) continue;
      Add(TokenKind::kOperator, std::string(op));
      at_ += op.size();
      return {};
    }
    return Bad(fmt::format("unexpected character '{}'", c));
  }

  Status Number() {
    const std::size_t begin = at_;
    const char second = begin + 1 < s_.size() ? s_[begin + 1] : ' ';
    bool real = false;
    if (s_[begin] == '0' && std::string_view("xXoObB").find(second) != std::string_view::npos) {
      while (at_ < s_.size() && IsNamePart(s_[at_])) ++at_;
    } else {
      const auto digits = [&] {
        while (at_ < s_.size() && (IsDigit(s_[at_]) || s_[at_] == '_')) ++at_;
      };
      digits();
      if (at_ + 1 < s_.size() && s_[at_] == '.' && IsDigit(s_[at_ + 1])) {
        real = true;
        ++at_;
        digits();
      }
      std::size_t exponent = at_ + 1;
      if (exponent < s_.size() && (s_[exponent] == '+' || s_[exponent] == '-')) ++exponent;
      if (at_ < s_.size() && (s_[at_] == 'e' || s_[at_] == 'E') && exponent < s_.size() &&
          IsDigit(s_[exponent])) {
        real = true;
        at_ = exponent;
        digits();
      }
    }
    std::string text = s_.substr(begin, at_ - begin);
    std::erase(text, '_');
    Add(real ? TokenKind::kFloat : TokenKind::kInteger, std::move(text));
    return {};
  }

  // The character of an escape at s_[*i], which stands behind the backslash; moves *i to its end.
  Status Escape(std::size_t* i, std::string* text) {
    const char e = s_[*i];
    const int hex = e == 'x' ? 2 : e == 'u' ? 4 : e == 'U' ? 8 : 0;
    char32_t code = 0;
    if (hex > 0 || (e >= '0' && e <= '7')) {
      std::size_t end = hex > 0 ? *i + 1 : *i;
      const std::size_t limit = end + static_cast<std::size_t>(hex > 0 ? hex : 3);
      const std::string_view known = hex > 0 ? "0123456789abcdef" : "01234567";
      for (; end < limit && end < s_.size(); ++end) {
        const std::size_t digit = known.find(
            static_cast<char>(s_[end] >= 'A' && s_[end] <= 'F' ? s_[end] - 'A' + 'a' : s_[end]));
        if (digit == std::string_view::npos) break;
        code = code * static_cast<char32_t>(known.size()) + static_cast<char32_t>(digit);
      }
      const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
      if ((hex > 0 && end != limit) || code > 0x10FFFF || surrogate) {
        return Bad("a string has a bad escape");
      }
      AppendUtf8(code, text);
      *i = end - 1;
      return {};
    }
    static constexpr std::string_view kFrom = "ntrbfav\\'\"", kTo = "\n\t\r\b\f\a\v\\'\"";
    const std::size_t which = kFrom.find(e);
    if (which != std::string_view::npos) {
      *text += kTo[which];
    } else if (e != '\n') {
      *text += '\\';
      *text += e;
    }
    return {};
  }

  Status StringToken(char quote) {
    std::string text;
    std::size_t i = at_ + 1;
    for (; i < s_.size() && s_[i] != quote; ++i) {
      if (s_[i] != '\\') {
        text += s_[i];
      } else if (++i < s_.size()) {
        PAWL_TRY(Escape(&i, &text));
      }
    }
    if (i >= s_.size()) return Bad("a string is not closed");
    Add(TokenKind::kString, std::move(text));
    at_ = i + 1;
    return {};
  }

  std::string s_;
  std::size_t at_ = 0;
  std::size_t counted_ = 0;  // line_ is right for this offset
  int line_ = 1;
  std::vector<Token> tokens_;
  bool strip_next_ = false, trim_newline_ = false;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view source) {
  if (!IsWellFormedUtf8(source)) return BadFile("template: is not UTF-8");
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {  // \r\n and \r read as \n
    if (source[i] != '\r') {
      text += source[i];
      continue;
    }
    text += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (text.ends_with('\n')) text.pop_back();  // keep_trailing_newline is off
  return Lexer(std::move(text)).Run();
}

}  // namespace pawl::jinja
