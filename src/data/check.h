// Duplicates within a set of problems, and problems that two sets share.
#pragma once

#include <string>
#include <vector>

#include "data/problem.h"

namespace pawl {

// Lower case, single spaces, punctuation dropped: two texts that agree are the same problem.
std::string NormalisedText(const Problem& problem);

struct NamedProblems {
  std::string name;
  const std::vector<Problem>* problems;
};
struct SharedProblem {
  std::string set_a, id_a, set_b, id_b;  // the same set twice: a duplicate
};
// Every later problem whose normalised text was seen before, with where it was seen first.
std::vector<SharedProblem> FindShared(const std::vector<NamedProblems>& sets);

}  // namespace pawl
