// Duplicates within a set of problems, and problems that two sets share.
#pragma once

#include <string>
#include <vector>

#include "data/problem.h"

namespace pawl {

// Lower case, single spaces, punctuation dropped: two texts that agree are the same problem.  Signs
// of arithmetic and decimal points stay, thousands commas go: "3+4" is not "3*4", "1.5" not "1 5",
// but "1,000" is "1000".
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
