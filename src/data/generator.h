// The built-in generator of graded arithmetic word problems.
//
// A problem is an opening, some modifications and a question; each may add one or two equations.
// Level 1 has one equation and results up to 80, level 2 two or three and up to 120, level 3 four
// to six, up to 300, with a sentence that does not matter in 60 % of them.  Splits are disjoint by
// construction: the hash of (templates, equations) decides the split, so the same numbers under
// other names never cross.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "data/problem.h"

namespace pawl {

struct Equation {
  int left = 0;
  char op = '+';  // + - * /
  int right = 0;
  int result = 0;
};

struct WordProblem {
  int level = 1;
  std::string question;
  std::vector<Equation> equations;
  std::string key;  // templates and equations: what decides the split
  int answer = 0;
};

// The problem at (seed, level, split, index): a pure function, the same on every machine.  level 1
// to 3.
WordProblem MakeWordProblem(std::uint64_t seed, int level, Split split, std::uint64_t index);
Split SplitOfKey(const std::string& key);

// `count` problems with distinct questions, ids like "basic-train-7-12" (seed 7, index 12); kUsage
// for an unknown level, more than a million, or when too many draws in a row repeat earlier texts.
// A longer list begins with the shorter one.
Result<std::vector<Problem>> GenerateProblems(int level, std::size_t count, std::uint64_t seed,
                                              Split split);
const char* LevelName(int level);  // "basic", "intermediate", "advanced"

// How an answer is written.  The mixed styles make a model that knows arithmetic behave like a raw
// one.
enum class SolutionStyle {
  kWorked,      // "24+7=31\n#### 31"
  kAnswerOnly,  // "#### 31"
  kNoMarker,    // worked, but "The answer is 31." at the end
  kSloppy,      // a step dropped or an operator swapped; the arithmetic is right, the answer wrong
};
std::string RenderSolution(const WordProblem& problem, SolutionStyle style, RandomStream& random);

// Eight bare equations of the level's ranges, one a line: "24+7=31".
std::string RenderDrill(int level, RandomStream& random);

}  // namespace pawl
