// The same problem with other numbers: what tells a memorised answer from a learnt method.
#pragma once

#include <optional>

#include "base/philox.h"
#include "data/problem.h"

namespace pawl {

// Changes the whole numbers of the question that the worked solution computes with, recomputes
// every equation of the solution and the answer, and replaces them in the text.  Absent where the
// solution has no equation, an equation is not right or not of whole numbers, a result would not be
// a positive whole number, one number would have to become two, or the answer does not follow.
//
// Equations: whole numbers, + - * / and brackets, then '=' and a number ("48/2=24", "2 * (3+4) =
// 14").  Where the solution has annotations as GSM8K's, "48/2 = <<48/2=24>>24", they are the
// equations.
std::optional<Problem> Renumber(const Problem& problem, RandomStream& random);

}  // namespace pawl
