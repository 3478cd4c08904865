#include "data/generator.h"

#include <fmt/format.h>

#include <array>
#include <set>

#include "base/check.h"
#include "data/phrases.h"

namespace pawl {
namespace {

struct LevelRules {
  const char* name;
  int min_equations, max_equations;
  int cap;         // largest number that may occur
  int max_factor;  // largest factor of a product
  int distractor_percent;
};
constexpr std::array<LevelRules, 3> kLevels = {{{"basic", 1, 1, 80, 12, 0},
                                                {"intermediate", 2, 3, 120, 12, 0},
                                                {"advanced", 4, 6, 300, 15, 60}}};

const LevelRules& Rules(int level) {
  PAWL_CHECK(level >= 1 && level <= 3);
  return kLevels[static_cast<std::size_t>(level - 1)];
}

// Builds one problem sentence by sentence; `ok` turns false when a number leaves its range.
class Writer {
 public:
  Writer(const LevelRules& rules, RandomStream& random)
      : rules_(rules), random_(random), cast_(Cast::Draw(random)) {}

  bool ok() const { return ok_; }
  std::size_t equations() const { return problem_.equations.size(); }

  void Opening();
  void Modification();
  void Question();
  WordProblem Finish(int level) {
    if (random_.Below(100) < static_cast<std::uint32_t>(rules_.distractor_percent)) {
      text_ += Distractor(cast_, random_) + " ";
    }
    problem_.level = level;
    problem_.question = text_ + question_;
    problem_.answer = value_;
    for (const Equation& e : problem_.equations) {
      problem_.key += fmt::format("|{}{}{}={}", e.left, e.op, e.right, e.result);
    }
    return std::move(problem_);
  }

 private:
  int Number(int low, int high) { return random_.Between(low, high); }
  int Factor() { return Number(2, rules_.max_factor); }
  void Say(const std::string& sentence) { text_ += sentence + " "; }
  void Use(const char* name) { problem_.key += fmt::format("{};", name); }

  int Calculate(int left, char op, int right) {
    int result = 0;
    switch (op) {
      case '+':
        result = left + right;
        break;
      case '-':
        result = left - right;
        break;
      case '*':
        result = left * right;
        break;
      default:
        if (right == 0 || left % right != 0) {
          ok_ = false;
          return 1;
        }
        result = left / right;
    }
    if (result <= 0 || result > rules_.cap || left > rules_.cap || right > rules_.cap) ok_ = false;
    problem_.equations.push_back({left, op, right, result});
    return result;
  }
  void Add(int n) { value_ = Calculate(value_, '+', n); }
  void Take(int n) { value_ = Calculate(value_, '-', n); }
  // A number to take away from the value that leaves something.
  int Part() { return value_ > 2 ? Number(1, value_ - 1) : 1; }

  const LevelRules& rules_;
  RandomStream& random_;
  Cast cast_;
  WordProblem problem_;
  std::string text_, question_;
  int value_ = 0;
  bool ok_ = true;
};

void Writer::Opening() {
  const int a = Number(2, rules_.cap * 2 / 3), b = Number(2, rules_.cap / 3);
  const int f = Factor(), g = Factor();
  const std::string& n = cast_.name;
  switch (random_.Below(9)) {
    case 0:
    case 1:
    case 2:
      Use("has");
      Say(fmt::format("{} has {}.", n, cast_.Count(a)));
      value_ = a;
      break;
    case 3:
      Use("boxes");
      Say(fmt::format("{} has {} {} with {} each.", n, f, cast_.containers, cast_.Count(g)));
      value_ = Calculate(f, '*', g);
      break;
    case 4:
      Use("per-day");
      Say(fmt::format("{} collects {} a day for {} days.", n, cast_.Count(f), g));
      value_ = Calculate(f, '*', g);
      break;
    case 5:
      Use("more-than");
      Say(fmt::format("{} has {}. {} has {} more than {}.", cast_.other, cast_.Count(a), n, b,
                      cast_.other));
      value_ = Calculate(a, '+', b);
      break;
    case 6:
      Use("fewer-than");
      Say(fmt::format("{} has {}. {} has {} fewer than {}.", cast_.other, cast_.Count(a), n, b,
                      cast_.other));
      value_ = Calculate(a, '-', b);
      break;
    case 7:
      Use("times");
      Say(fmt::format("{} has {}. {} has {} times as many.", cast_.other, cast_.Count(f), n, g));
      value_ = Calculate(f, '*', g);
      break;
    default:
      Use("two-kinds");
      Say(fmt::format("{} has {} old and {} new {}.", n, a, b, cast_.things));
      value_ = Calculate(a, '+', b);
  }
}

void Writer::Modification() {
  const std::string& n = cast_.name;
  const int b = Number(2, rules_.cap / 3), f = Factor(), g = Factor();
  switch (random_.Below(9)) {
    case 0:
    case 1: {
      Use("gets");
      constexpr std::array<const char*, 3> kVerbs = {"buys", "finds", "gets"};
      Say(fmt::format("Then {} {} {} more.", n, kVerbs[random_.Below(3)], b));
      Add(b);
      break;
    }
    case 2:
    case 3: {
      Use("loses");
      constexpr std::array<const char*, 3> kVerbs = {"loses", "gives away", "sells"};
      const int part = Part();
      Say(fmt::format("Then {} {} {}.", n, kVerbs[random_.Below(3)], part));
      Take(part);
      break;
    }
    case 4:
      Use("half");
      Say(fmt::format("{} gives half of them to {}.", n, cast_.other));
      value_ = Calculate(value_, '/', 2);
      break;
    case 5:
      Use("doubles");
      Say(fmt::format("Then {} doubles the number of {}.", n, cast_.things));
      value_ = Calculate(value_, '*', 2);
      break;
    case 6:
      Use("buys-boxes");
      Say(fmt::format("{} buys {} {} with {} each.", n, f, cast_.containers, cast_.Count(g)));
      Add(Calculate(f, '*', g));
      break;
    case 7:
      Use("uses-daily");
      Say(fmt::format("{} uses {} a day for {} days.", n, f, g));
      Take(Calculate(f, '*', g));
      break;
    default: {
      constexpr std::array<const char*, 3> kParts = {"a third", "a quarter", "a fifth"};
      const auto which = random_.Below(3);
      Use(kParts[which]);
      Say(fmt::format("{} gives {} of them to {}.", n, kParts[which], cast_.other));
      Take(Calculate(value_, '/', static_cast<int>(which) + 3));
    }
  }
}

void Writer::Question() {
  const std::string& n = cast_.name;
  const int b = Number(2, rules_.cap / 3), k = Factor();
  switch (random_.Below(8)) {
    case 0:
    case 1:
    case 2:
      Use("now");
      question_ = fmt::format("How many {} does {} have now?", cast_.things, n);
      break;
    case 3:
      Use("share");
      question_ = fmt::format("{} shares them equally among {} friends. How many {} does each get?",
                              n, k, cast_.things);
      value_ = Calculate(value_, '/', k);
      break;
    case 4:
      Use("pack");
      question_ = fmt::format("{} packs them into {} of {}. How many {} are needed?", n,
                              cast_.containers, k, cast_.containers);
      value_ = Calculate(value_, '/', k);
      break;
    case 5:
      Use("sell");
      question_ =
          fmt::format("{} sells each for {} dollars. How many dollars does {} get?", n, k, n);
      value_ = Calculate(value_, '*', k);
      break;
    case 6:
      Use("together");
      question_ = fmt::format("{} has {}. How many {} do {} and {} have together?", cast_.third,
                              cast_.Count(b), cast_.things, n, cast_.third);
      Add(b);
      break;
    default: {
      Use("needed");
      const int goal = value_ + b;
      question_ = fmt::format("{} wants {}. How many more are needed?", n, cast_.Count(goal));
      value_ = Calculate(goal, '-', value_);
    }
  }
}

// One draw; the equations may be too few, too many or out of range.
WordProblem Draw(int level, RandomStream& random, bool& ok) {
  const LevelRules& rules = Rules(level);
  Writer writer(rules, random);
  writer.Opening();
  const auto wanted =
      static_cast<std::size_t>(random.Between(rules.min_equations, rules.max_equations));
  // The question adds one equation in five cases of eight: leave room for it.
  while (writer.ok() && writer.equations() + 1 < wanted) writer.Modification();
  if (writer.ok() && writer.equations() < wanted && random.Below(2) == 0) writer.Modification();
  writer.Question();
  ok = writer.ok() && writer.equations() >= static_cast<std::size_t>(rules.min_equations) &&
       writer.equations() <= static_cast<std::size_t>(rules.max_equations);
  return writer.Finish(level);
}

std::string EquationText(const Equation& e) {
  return fmt::format("{}{}{}={}", e.left, e.op, e.right, e.result);
}

}  // namespace

const char* LevelName(int level) { return Rules(level).name; }

// FNV-1a over the key, mod 20: 0 is test, 1 validation, the rest train.
Split SplitOfKey(const std::string& key) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : key) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  const std::uint64_t bucket = (hash ^ (hash >> 32)) % 20;
  return bucket == 0 ? Split::kTest : bucket == 1 ? Split::kValidation : Split::kTrain;
}

WordProblem MakeWordProblem(std::uint64_t seed, int level, Split split, std::uint64_t index) {
  const std::uint64_t item =
      index | (static_cast<std::uint64_t>(level) << 56) | (static_cast<std::uint64_t>(split) << 60);
  RandomStream random({seed, RandomPurpose::kGenerator, item, 0});
  for (;;) {  // a test problem takes some hundred draws on average
    bool ok = false;
    WordProblem problem = Draw(level, random, ok);
    if (ok && SplitOfKey(problem.key) == split) return problem;
  }
}

Result<std::vector<Problem>> GenerateProblems(int level, std::size_t count, std::uint64_t seed,
                                              Split split) {
  if (level < 1 || level > 3) {
    return Usage(fmt::format(
        "--level: got {}, expected 1 (basic), 2 (intermediate) or 3 (advanced)", level));
  }
  constexpr std::size_t kMaxProblems = 1'000'000;
  if (count > kMaxProblems) {
    return Usage(fmt::format("--count: got {}, expected at most {}", count, kMaxProblems));
  }
  std::vector<Problem> problems;
  std::set<std::string> seen;
  constexpr int kMaxRepeats = 100;  // in a row: nearly all that exist have been drawn
  int repeats = 0;
  for (std::uint64_t index = 0; problems.size() < count; ++index) {
    if (repeats > kMaxRepeats) {
      return Usage(fmt::format("level {} of split {}: only {} distinct problems found, {} wanted",
                               level, SplitName(split), problems.size(), count));
    }
    const WordProblem word = MakeWordProblem(seed, level, split, index);
    if (!seen.insert(word.question).second) {
      ++repeats;
      continue;
    }
    repeats = 0;
    Problem problem;
    problem.id = fmt::format("{}-{}-{}-{}", LevelName(level), SplitName(split), seed, index);
    problem.question = word.question;
    problem.answer = std::to_string(word.answer);
    RandomStream unused({seed, RandomPurpose::kGenerator, index, 1});
    problem.solution = RenderSolution(word, SolutionStyle::kWorked, unused);
    problem.level = level;
    problems.push_back(std::move(problem));
  }
  return problems;
}

std::string RenderSolution(const WordProblem& problem, SolutionStyle style, RandomStream& random) {
  if (style == SolutionStyle::kAnswerOnly) return fmt::format("#### {}", problem.answer);
  std::vector<Equation> equations = problem.equations;
  int answer = problem.answer;
  if (style == SolutionStyle::kSloppy) {
    Equation& last = equations.back();
    const bool drop = equations.size() > 1 && random.Below(2) == 0;
    // The step before the last may hold the right number by chance: 48-24=24 after 4*6=24.
    if (drop && equations[equations.size() - 2].result != problem.answer) {
      equations.pop_back();
      answer = equations.back().result;
    } else {
      // The other operator of its kind, when it gives another positive whole number; else the sum.
      const bool minus = last.op == '+' && last.left > last.right;
      last.op = last.op == '-' ? '+' : minus ? '-' : last.op == '+' ? '*' : '+';
      last.result = last.op == '-'   ? last.left - last.right
                    : last.op == '*' ? last.left * last.right
                                     : last.left + last.right;
      // 2+2 is 2*2: the only sum that equals its product leaves the quotient.
      if (last.result == problem.answer) {
        last.op = '/';
        last.result = last.left / last.right;
      }
      answer = last.result;
    }
  }
  std::string text;
  for (const Equation& e : equations) text += EquationText(e) + "\n";
  return text + (style == SolutionStyle::kNoMarker ? fmt::format("The answer is {}.", answer)
                                                   : fmt::format("#### {}", answer));
}

std::string RenderDrill(int level, RandomStream& random) {
  std::string text;
  for (int line = 0; line < 8;) {
    bool ok = false;
    const WordProblem problem = Draw(level, random, ok);
    // Test and validation equations stay out of the drills too.
    if (!ok || SplitOfKey(problem.key) != Split::kTrain) continue;
    for (const Equation& e : problem.equations) {
      if (line < 8) text += EquationText(e) + "\n";
      ++line;
    }
  }
  return text;
}

}  // namespace pawl
