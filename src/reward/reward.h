// Rewards: (problem, completion) -> value.  Pure and thread-safe; combined by weights.
//
// To add one: derive from Reward, add a row to the table in reward.cc, and a test with right and
// wrong answers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/problem.h"

namespace pawl {

// What a reward sees of a completion.
struct AnswerText {
  std::string text;
  bool truncated = false;  // cut at the token limit
  int tokens = 0;
};

struct Graded {
  std::optional<std::string> extracted;  // the answer found, if any
  bool correct = false;
  double value = 0;  // the reward; NaN: this reward does not apply
};

class Reward {
 public:
  virtual ~Reward() = default;
  virtual Graded Grade(const AnswerText& answer, const Problem& problem) const = 0;
};

struct RewardConfig {
  std::string name;
  double weight = 1.0;
  bool require_stop = false;  // a completion cut at the limit is worth 0
  std::string pattern =
      {};  // regex: the answer is the last match's first group (or the whole match)
  int max_tokens =
      0;  // length: from max_tokens - cache_tokens on the value falls from 0 to -1 (DAPO)
  int cache_tokens = 0;
};

// Names: gsm8k-strict, gsm8k-flexible, math, exact, choice, regex, format, length.
std::vector<std::string> RewardNamesKnown();
// kUsage for an unknown name (with the nearest) or a setting that the reward cannot use.
Result<std::unique_ptr<Reward>> MakeReward(const RewardConfig& config);

class RewardSet {
 public:
  static Result<RewardSet> Make(const std::vector<RewardConfig>& configs);
  std::size_t size() const { return rewards_.size(); }
  const std::vector<std::string>& names() const { return names_; }
  const std::vector<double>& weights() const { return weights_; }
  // One result per reward, in order.  Correctness of the whole is that of the first reward.
  std::vector<Graded> Grade(const AnswerText& answer, const Problem& problem) const;

 private:
  std::vector<std::unique_ptr<Reward>> rewards_;
  std::vector<std::string> names_;
  std::vector<double> weights_;
};

}  // namespace pawl
