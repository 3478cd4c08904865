// Small operations on text.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace pawl {

// Without the spaces, tabs and line ends at both sides.
inline std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// kBadFile if the text, called `place`, holds a NUL: the JSON library takes one for the end and
// would ignore what follows.  ParseJson checks; whoever runs the library's parser must too.
inline Status CheckNoNul(std::string_view text, const std::string& place) {
  const std::size_t nul = text.find('\0');
  if (nul == std::string_view::npos) return {};
  return BadFile(place + ": not valid JSON at byte " + std::to_string(nul + 1));
}

}  // namespace pawl
