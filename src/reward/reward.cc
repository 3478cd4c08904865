#include "reward/reward.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/nearest.h"
#include "base/text.h"
#include "reward/extract.h"
#include "reward/number.h"
#include "reward/regex.h"

namespace pawl {
namespace {

Graded Judge(std::optional<std::string> extracted, bool correct) {
  return {std::move(extracted), correct, correct ? 1.0 : 0.0};
}

class GsmStrict : public Reward {
 public:
  Graded Grade(const AnswerText& answer, const Problem& problem) const override {
    auto found = ExtractStrict(answer.text);
    const bool correct = found && GsmEqual(*found, problem.answer);
    return Judge(std::move(found), correct);
  }
};

class GsmFlexible : public Reward {
 public:
  Graded Grade(const AnswerText& answer, const Problem& problem) const override {
    auto found = ExtractFlexible(answer.text);
    const bool correct = found && GsmEqual(*found, problem.answer);
    return Judge(std::move(found), correct);
  }
};

class MathReward : public Reward {
 public:
  Graded Grade(const AnswerText& answer, const Problem& problem) const override {
    auto found = ExtractMath(answer.text);
    if (!found) return Judge(std::nullopt, false);
    const auto gold = found->number ? ParseNumber(problem.answer) : std::nullopt;
    return Judge(std::move(found->text), gold && EqualRationals(*found->number, *gold));
  }
};

class Exact : public Reward {
 public:
  Graded Grade(const AnswerText& answer, const Problem& problem) const override {
    std::string text(Trimmed(answer.text));
    const bool correct = text == Trimmed(problem.answer);
    return Judge(std::move(text), correct);
  }
};

// A letter A to E that stands alone: the first after the last "answer" if there is one, else the
// first.  "A" before a small letter's word is an article, not a choice.
class Choice : public Reward {
 public:
  Graded Grade(const AnswerText& answer, const Problem& problem) const override {
    auto found = Letter(answer.text);
    const auto gold = First(Upper(problem.answer));
    const bool correct = found && gold && *found == *gold;
    return Judge(std::move(found), correct);
  }

 private:
  static bool IsWord(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }
  static std::string Upper(std::string text) {
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
  }
  static std::optional<std::string> Letter(const std::string& text) {
    const std::size_t marker = Upper(text).rfind("ANSWER");
    if (marker != std::string::npos) {
      if (auto found = First(text.substr(marker + 6))) return found;
    }
    return First(text);
  }
  static std::optional<std::string> First(const std::string& text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] < 'A' || text[i] > 'E') continue;
      if ((i > 0 && IsWord(text[i - 1])) || (i + 1 < text.size() && IsWord(text[i + 1]))) continue;
      const bool article = text[i] == 'A' && i + 2 < text.size() && text[i + 1] == ' ' &&
                           std::islower(static_cast<unsigned char>(text[i + 2])) != 0;
      if (!article) return std::string(1, text[i]);
    }
    return std::nullopt;
  }
};

class RegexReward : public Reward {
 public:
  explicit RegexReward(AnswerPattern pattern) : pattern_(std::move(pattern)) {}
  Graded Grade(const AnswerText& answer, const Problem& problem) const override {
    auto found = pattern_.Last(answer.text);
    const bool correct = found && Trimmed(*found) == Trimmed(problem.answer);
    return Judge(std::move(found), correct);
  }

 private:
  AnswerPattern pattern_;
};

// Exactly one "####", and the text ends in "#### number".
class Format : public Reward {
 public:
  Graded Grade(const AnswerText& answer, const Problem&) const override {
    const std::string_view text = Trimmed(answer.text);
    auto found = ExtractStrict(text);
    const std::size_t first = text.find("####");
    // The number ends the text, so that no unit or second line follows it.
    const bool right = found && first == text.rfind("####") &&
                       text.size() == first + 5 + found->size() && ParseNumber(*found);
    return Judge(std::move(found), right);
  }
};

// DAPO's soft overlong punishment (arXiv:2503.14476): 0 up to max - cache tokens, then falling to
// -1 at max.
class Length : public Reward {
 public:
  Length(int max_tokens, int cache_tokens) : max_(max_tokens), cache_(cache_tokens) {}
  Graded Grade(const AnswerText& answer, const Problem&) const override {
    const double free = max_ - cache_;
    double value = 0;
    if (answer.tokens > max_) {
      value = -1;
    } else if (answer.tokens > free) {
      value = (free - answer.tokens) / cache_;
    }
    return {std::nullopt, value == 0, value};
  }

 private:
  int max_, cache_;
};

// Any reward, but a completion that was cut is worth nothing.
class RequireStop : public Reward {
 public:
  explicit RequireStop(std::unique_ptr<Reward> inner) : inner_(std::move(inner)) {}
  Graded Grade(const AnswerText& answer, const Problem& problem) const override {
    Graded graded = inner_->Grade(answer, problem);
    if (answer.truncated) {
      graded.correct = false;
      graded.value = std::min(graded.value, 0.0);
    }
    return graded;
  }

 private:
  std::unique_ptr<Reward> inner_;
};

Result<std::unique_ptr<Reward>> MakeInner(const RewardConfig& c) {
  std::unique_ptr<Reward> made;
  if (c.name == "gsm8k-strict") made = std::make_unique<GsmStrict>();
  if (c.name == "gsm8k-flexible") made = std::make_unique<GsmFlexible>();
  if (c.name == "math") made = std::make_unique<MathReward>();
  if (c.name == "exact") made = std::make_unique<Exact>();
  if (c.name == "choice") made = std::make_unique<Choice>();
  if (c.name == "format") made = std::make_unique<Format>();
  if (c.name == "regex") {
    if (c.pattern.empty()) return Usage("reward.pattern: is missing; regex needs one");
    PAWL_ASSIGN(AnswerPattern pattern, AnswerPattern::Compile(c.pattern));
    made = std::make_unique<RegexReward>(std::move(pattern));
  }
  if (c.name == "length") {
    if (c.cache_tokens < 1 || c.max_tokens <= c.cache_tokens) {
      return Usage(
          fmt::format("reward.max_tokens {} and cache_tokens {}: length needs "
                      "0 < cache_tokens < max_tokens",
                      c.max_tokens, c.cache_tokens));
    }
    made = std::make_unique<Length>(c.max_tokens, c.cache_tokens);
  }
  if (!made) {
    return Usage(fmt::format("reward: unknown \"{}\", known: {}{}", c.name,
                             fmt::join(RewardNamesKnown(), ", "),
                             DidYouMean(c.name, RewardNamesKnown())));
  }
  return made;
}

}  // namespace

std::vector<std::string> RewardNamesKnown() {
  return {"gsm8k-strict", "gsm8k-flexible", "math", "exact", "choice", "regex", "format", "length"};
}

Result<std::unique_ptr<Reward>> MakeReward(const RewardConfig& config) {
  if (!std::isfinite(config.weight)) {
    return Usage(fmt::format("reward.weight: got {}, expected a finite number", config.weight));
  }
  PAWL_ASSIGN(std::unique_ptr<Reward> inner, MakeInner(config));
  if (!config.require_stop) return inner;
  return std::unique_ptr<Reward>(std::make_unique<RequireStop>(std::move(inner)));
}

Result<RewardSet> RewardSet::Make(const std::vector<RewardConfig>& configs) {
  RewardSet set;
  for (const RewardConfig& config : configs) {
    PAWL_ASSIGN(std::unique_ptr<Reward> reward, MakeReward(config));
    set.rewards_.push_back(std::move(reward));
    set.names_.push_back(config.name);
    set.weights_.push_back(config.weight);
  }
  if (set.rewards_.empty()) return Usage("reward: none is given, expected at least one [[reward]]");
  return set;
}

std::vector<Graded> RewardSet::Grade(const AnswerText& answer, const Problem& problem) const {
  std::vector<Graded> all;
  for (const auto& reward : rewards_) all.push_back(reward->Grade(answer, problem));
  return all;
}

}  // namespace pawl
