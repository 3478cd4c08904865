// A response as the equation reader sees it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "diagnose/equations.h"

namespace pawl {

enum class TokenKind { kNumber, kOperator, kOpen, kClose, kEquals, kWord, kPercent, kBreak };
struct EquationToken {
  TokenKind kind = TokenKind::kBreak;
  char op = 0;                     // + - * / of operators; 'x' where a letter may mean times
  std::optional<Fraction> value;   // of numbers; absent: too large to hold
  int decimals = 0;                // digits after the point
  std::size_t begin = 0, end = 0;  // bytes of the text
};
// kBreak: a line's end or any character that no equation contains.
std::vector<EquationToken> EquationTokens(std::string_view text);

}  // namespace pawl
