#include "tokenizer/jinja_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace pawl::jinja {
namespace {

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

void AppendUtf8(unsigned code, std::string& out) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
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
      } else {
        PAWL_TRY(Tag(kind == '{'));
      }
    }
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

  void Add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), Line()}); }
  int Line() const {
    return 1 + static_cast<int>(std::count(
                   s_.begin(), s_.begin() + static_cast<long>(std::min(at_, s_.size())), '\n'));
  }

  // Text before a tag: trimmed as the tags on either side ask.
  void AddText(std::string text, std::size_t open) {
    bool line_begins = at_ == 0 || s_[at_ - 1] == '\n';
    if (strip_next_) {
      text.erase(0, text.find_first_not_of(" \t\n\r\f\v") == std::string::npos
                        ? text.size()
                        : text.find_first_not_of(" \t\n\r\f\v"));
    } else if (trim_newline_ && !text.empty() && text[0] == '\n') {
      text.erase(0, 1);
      line_begins = true;
    }
    strip_next_ = trim_newline_ = false;
    if (open < s_.size()) {
      const char sign = open + 2 < s_.size() ? s_[open + 2] : ' ';
      if (sign == '-') {
        const std::size_t last = text.find_last_not_of(" \t\n\r\f\v");
        text.resize(last == std::string::npos ? 0 : last + 1);
      } else if (sign != '+' && s_[open + 1] != '{') {
        // lstrip_blocks: blanks from the start of the line to a block or comment.
        const std::size_t last = text.find_last_not_of(" \t");
        const bool line_start = last == std::string::npos ? line_begins : text[last] == '\n';
        if (line_start) text.resize(last == std::string::npos ? 0 : last + 1);
      }
    }
    if (!text.empty()) Add(TokenKind::kText, std::move(text));
  }
  Status Comment() {
    const std::size_t close = s_.find("#}", at_);
    if (close == std::string::npos)
      return BadFile(fmt::format("template line {}: comment is not closed", Line()));
    strip_next_ = close > 0 && s_[close - 1] == '-';
    trim_newline_ = !(close > 0 && s_[close - 1] == '+');
    at_ = close + 2;
    return {};
  }

  Status Tag(bool output) {
    Add(output ? TokenKind::kOutputBegin : TokenKind::kBlockBegin, "");
    const char end = output ? '}' : '%';
    int depth = 0;
    for (;;) {
      while (at_ < s_.size() && IsSpace(s_[at_])) ++at_;
      if (at_ >= s_.size())
        return BadFile(fmt::format("template line {}: tag is not closed", Line()));
      const std::size_t sign = s_[at_] == '-' || s_[at_] == '+' ? 1 : 0;
      if (depth == 0 && at_ + sign + 1 < s_.size() && s_[at_ + sign] == end &&
          s_[at_ + sign + 1] == '}') {
        strip_next_ = s_[at_] == '-';
        trim_newline_ = !output && s_[at_] != '+';
        at_ += sign + 2;
        Add(output ? TokenKind::kOutputEnd : TokenKind::kBlockEnd, "");
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
    std::size_t end = at_;
    if (IsNameStart(c)) {
      while (end < s_.size() && (IsNameStart(s_[end]) || IsDigit(s_[end]))) ++end;
      Add(TokenKind::kName, s_.substr(at_, end - at_));
    } else if (IsDigit(c)) {
      bool real = false;
      while (end < s_.size() && (IsDigit(s_[end]) || s_[end] == '_')) ++end;
      if (end + 1 < s_.size() && s_[end] == '.' && IsDigit(s_[end + 1])) {
        real = true;
        for (++end; end < s_.size() && IsDigit(s_[end]);) ++end;
      }
      if (end < s_.size() && (s_[end] == 'e' || s_[end] == 'E')) {
        real = true;
        for (++end; end < s_.size() && (IsDigit(s_[end]) || s_[end] == '+' || s_[end] == '-');)
          ++end;
      }
      std::string digits = s_.substr(at_, end - at_);
      std::erase(digits, '_');
      Add(real ? TokenKind::kFloat : TokenKind::kInteger, digits);
    } else if (c == '"' || c == '\'') {
      return StringToken(c);
    } else {
      static constexpr std::array<std::string_view, 25> kOperators = {
          "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "|",
          "(",  ")",  "[",  "]",  "{",  "}",  ",", ":", ".", "=", "<", ">"};
      for (const std::string_view op : kOperators) {
        if (s_.compare(at_, op.size(), op) != 0) continue;
        Add(TokenKind::kOperator, std::string(op));
        at_ += op.size();
        return {};
      }
      return BadFile(fmt::format("template line {}: unexpected character '{}'", Line(), c));
    }
    at_ = end;
    return {};
  }

  Status StringToken(char quote) {
    std::string text;
    std::size_t i = at_ + 1;
    for (; i < s_.size() && s_[i] != quote; ++i) {
      if (s_[i] != '\\' || i + 1 >= s_.size()) {
        text += s_[i];
        continue;
      }
      const char e = s_[++i];
      const int hex_digits = e == 'x' ? 2 : e == 'u' ? 4 : e == 'U' ? 8 : 0;
      if (hex_digits > 0) {
        const std::string hex = s_.substr(i + 1, static_cast<std::size_t>(hex_digits));
        if (hex.size() != static_cast<std::size_t>(hex_digits) ||
            hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
          return BadFile(fmt::format("template line {}: bad escape in a string", Line()));
        }
        AppendUtf8(static_cast<unsigned>(std::stoul(hex, nullptr, 16)), text);
        i += static_cast<std::size_t>(hex_digits);
        continue;
      }
      static constexpr std::string_view kFrom = "ntrbfav0\\'\"", kTo("\n\t\r\b\f\a\v\0\\'\"", 11);
      const std::size_t which = kFrom.find(e);
      if (which != std::string_view::npos) {
        text += kTo[which];
      } else if (e != '\n') {
        text += '\\';
        text += e;
      }
    }
    if (i >= s_.size())
      return BadFile(fmt::format("template line {}: string is not closed", Line()));
    at_ = i + 1;
    Add(TokenKind::kString, std::move(text));
    return {};
  }

  std::string s_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
  bool strip_next_ = false, trim_newline_ = false;
};

}  // namespace

Result<std::vector<Token>> Tokenize(std::string_view source) {
  std::string text;
  for (std::size_t i = 0; i < source.size(); ++i) {  // \r\n and \r read as \n
    if (source[i] == '\r') {
      text += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();  // keep_trailing_newline is off
  return Lexer(std::move(text)).Run();
}

}  // namespace pawl::jinja
