// The nearest valid name, for messages about unknown keys, flags and names.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pawl {

// The candidate with the smallest edit distance (Levenshtein) to `name`; the first of equals. Empty
// when nothing is near: the distance exceeds a third of the longer word, at least 2.
std::string Nearest(std::string_view name, std::span<const std::string> candidates);

// `; did you mean "x"?` or, when nothing is near, an empty string.
std::string DidYouMean(std::string_view name, std::span<const std::string> candidates);

}  // namespace pawl
