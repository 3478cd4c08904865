// A problem with a checkable answer, and sets of problems whose split is part of their type, so
// that a gate or a tuning loop cannot be given test problems.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pawl {

struct ChatMessage {
  std::string role, content;
};

struct Problem {
  std::string id;
  std::string question;  // empty when `messages` are given instead
  std::vector<ChatMessage> messages;
  std::string answer;    // the final answer: "18"
  std::string solution;  // worked solution, empty when unknown
  std::optional<int> level;
};

enum class Split { kTrain, kValidation, kTest };
const char* SplitName(Split split);  // "train", "validation", "test"

template <Split kSplit>
class ProblemSet {
 public:
  ProblemSet() = default;
  explicit ProblemSet(std::vector<Problem> problems) : problems_(std::move(problems)) {}
  const std::vector<Problem>& problems() const { return problems_; }
  std::size_t size() const { return problems_.size(); }

 private:
  std::vector<Problem> problems_;
};
using TrainProblems = ProblemSet<Split::kTrain>;
using ValidationProblems = ProblemSet<Split::kValidation>;
using TestProblems = ProblemSet<Split::kTest>;

}  // namespace pawl
