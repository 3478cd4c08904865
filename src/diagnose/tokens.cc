#include "diagnose/tokens.h"

#include <array>
#include <cctype>

namespace pawl {
namespace {

bool Digit(char c) { return c >= '0' && c <= '9'; }
bool Letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\'' ||
         static_cast<unsigned char>(c) >= 0x80;
}

struct Sign {
  std::string_view bytes;
  TokenKind kind;
  char op;
};
constexpr std::array<Sign, 13> kSigns = {{{"\u2212", TokenKind::kOperator, '-'},
                                          {"\u00d7", TokenKind::kOperator, '*'},
                                          {"\u00b7", TokenKind::kOperator, '*'},
                                          {"\u00f7", TokenKind::kOperator, '/'},
                                          {"+", TokenKind::kOperator, '+'},
                                          {"-", TokenKind::kOperator, '-'},
                                          {"*", TokenKind::kOperator, '*'},
                                          {"/", TokenKind::kOperator, '/'},
                                          {"(", TokenKind::kOpen, 0},
                                          {")", TokenKind::kClose, 0},
                                          {"=", TokenKind::kEquals, 0},
                                          {"%", TokenKind::kPercent, 0},
                                          {"\n", TokenKind::kBreak, 0}}};

// Bytes of a currency sign, a space or an escape that may stand around numbers; 0: none.
std::size_t Skipped(std::string_view rest) {
  for (const std::string_view sign : {"$", "\u20ac", "\u00a3", " ", "\t", "\r", "\\", "\u00a0"}) {
    if (rest.starts_with(sign)) return sign.size();
  }
  return 0;
}

// The end of the number at `begin`: digits, thousands commas, one point followed by a digit.
std::size_t NumberEnd(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  bool point = false;
  while (end < text.size()) {
    const bool digit_follows = end + 1 < text.size() && Digit(text[end + 1]);
    if (Digit(text[end])) {
      ++end;
    } else if (text[end] == '.' && !point && digit_follows) {
      point = true;
      ++end;
    } else if (text[end] == ',' && !point && end > begin && end + 3 < text.size() &&
               Digit(text[end + 1]) && Digit(text[end + 2]) && Digit(text[end + 3]) &&
               (end + 4 == text.size() || !Digit(text[end + 4]))) {
      end += 4;
    } else {
      break;
    }
  }
  return end;
}

EquationToken NumberToken(std::string_view text, std::size_t begin) {
  EquationToken token;
  token.kind = TokenKind::kNumber;
  token.begin = begin;
  token.end = NumberEnd(text, begin);
  const std::string_view digits = text.substr(begin, token.end - begin);
  token.value = ParseFraction(digits);
  const std::size_t point = digits.find('.');
  if (point != std::string_view::npos) token.decimals = static_cast<int>(digits.size() - point - 1);
  return token;
}

EquationToken WordToken(std::string_view text, std::size_t begin) {
  EquationToken token;
  token.kind = TokenKind::kWord;
  token.begin = begin;
  token.end = begin;
  while (token.end < text.size() && (Letter(text[token.end]) || Digit(text[token.end]))) {
    ++token.end;
  }
  const std::string_view word = text.substr(begin, token.end - begin);
  if (word == "x" || word == "X") token.op = 'x';
  return token;
}

}  // namespace

std::vector<EquationToken> EquationTokens(std::string_view text) {
  std::vector<EquationToken> tokens;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("<<")) {
      const std::size_t close = rest.find(">>");
      if (close != std::string_view::npos) {
        at += close + 2;
        continue;
      }
    }
    const bool point_number = rest.size() > 1 && rest[0] == '.' && Digit(rest[1]);
    if (Digit(rest[0]) || point_number) {
      tokens.push_back(NumberToken(text, at));
      at = tokens.back().end;
      continue;
    }
    const Sign* sign = nullptr;
    for (const Sign& known : kSigns) {
      if (rest.starts_with(known.bytes)) sign = &known;
    }
    if (sign != nullptr) {
      tokens.push_back({sign->kind, sign->op, std::nullopt, 0, at, at + sign->bytes.size()});
      at += sign->bytes.size();
    } else if (const std::size_t skip = Skipped(rest); skip > 0) {
      at += skip;
    } else if (Letter(rest[0])) {
      // "3x4": one letter between digits is an operator, not a word.
      if ((rest[0] == 'x' || rest[0] == 'X') && rest.size() > 1 && Digit(rest[1])) {
        tokens.push_back({TokenKind::kWord, 'x', std::nullopt, 0, at, at + 1});
      } else {
        tokens.push_back(WordToken(text, at));
      }
      at = tokens.back().end;
    } else {
      tokens.push_back({TokenKind::kBreak, 0, std::nullopt, 0, at, at + 1});
      ++at;
    }
  }
  return tokens;
}

std::vector<Fraction> NumbersIn(std::string_view text) {
  std::vector<Fraction> numbers;
  for (const EquationToken& token : EquationTokens(text)) {
    if (token.kind == TokenKind::kNumber && token.value) numbers.push_back(*token.value);
  }
  return numbers;
}

}  // namespace pawl
