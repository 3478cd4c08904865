// The words of the generator: names, things, sentences.  Private to data/.
#pragma once

#include <string>

#include "base/philox.h"

namespace pawl {

// "1 apple", "7 apples".
std::string Counted(int count, const std::string& singular, const std::string& plural);

// Who and what a problem is about.
struct Cast {
  std::string name, other, third;     // three different names
  std::string thing, things;          // "apple", "apples"
  std::string container, containers;  // "box", "boxes"
  static Cast Draw(RandomStream& random);
  std::string Count(int n) const { return Counted(n, thing, things); }
};

// A sentence with a number that the answer does not need.
std::string Distractor(const Cast& cast, RandomStream& random);

}  // namespace pawl
