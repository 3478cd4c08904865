#include "pipeline/stage_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/philox.h"
#include "base/sha256.h"
#include "data/check.h"
#include "data/generator.h"
#include "data/problem_file.h"

namespace pawl {
namespace {

// Seeds of generated sets differ by purpose, so that a stage's problems do not move when another's
// do.
constexpr std::uint64_t kValidationSeed = 1'000'003, kTestSeed = 2'000'003;

// `count` problems spread evenly over the levels that the stages use.
Result<std::vector<Problem>> Spread(const std::vector<int>& levels, std::size_t count,
                                    std::uint64_t seed, Split split) {
  std::vector<std::vector<Problem>> per_level;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const std::size_t share = (count + levels.size() - 1 - i) / levels.size();
    PAWL_ASSIGN(auto problems, GenerateProblems(levels[i], share, seed, split));
    per_level.push_back(std::move(problems));
  }
  // Interleaved, so that every prefix holds all levels.
  std::vector<Problem> all;
  for (std::size_t k = 0; all.size() < count; ++k) {
    for (auto& problems : per_level) {
      if (k < problems.size() && all.size() < count) all.push_back(std::move(problems[k]));
    }
  }
  return all;
}

std::vector<Problem> Shuffled(std::vector<Problem> problems, std::uint64_t seed) {
  RandomStream random({seed, RandomPurpose::kShuffle, 0xda7a, 0});
  for (std::size_t i = problems.size(); i > 1; --i) {
    std::swap(problems[i - 1], problems[random.Below(static_cast<std::uint32_t>(i))]);
  }
  return problems;
}

Result<std::vector<Problem>> StageProblems(const RunConfig& c, const StageConfig& stage,
                                           std::size_t index) {
  const auto count = static_cast<std::size_t>(stage.max_samples);
  if (c.data.source == "generator" && stage.train.empty()) {
    return GenerateProblems(stage.level, count, c.run.seed * 1000 + index, Split::kTrain);
  }
  PAWL_ASSIGN(std::vector<Problem> all,
              ReadProblems(stage.train.empty() ? c.data.train : stage.train));
  if (stage.level > 0) {
    std::erase_if(all, [&](const Problem& problem) {
      const int level = problem.level ? *problem.level : LevelBySteps(WorkedSteps(problem));
      return level != stage.level;
    });
  }
  if (all.empty()) {
    return Usage(fmt::format("stage.{}: no problems of level {} are left in {}", stage.name,
                             stage.level, stage.train.empty() ? c.data.train : stage.train));
  }
  all = Shuffled(std::move(all), c.run.seed);
  if (all.size() > count) all.resize(count);
  return all;
}

// Levels that the stages train on; all three for mixtures.
std::vector<int> LevelsOf(const RunConfig& c) {
  std::vector<int> levels;
  for (const StageConfig& stage : c.stages) {
    if (stage.level_mix.empty() && stage.level > 0) levels.push_back(stage.level);
    for (int level = 1; level <= 3 && !stage.level_mix.empty(); ++level) levels.push_back(level);
  }
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  return levels.empty() ? std::vector<int>{1} : levels;
}

// How many problems gates may use in all; gates of a run draw from one pool.
std::size_t GatePool(const RunConfig& c) {
  if (c.gate.rule == "none") return 0;
  return static_cast<std::size_t>(c.gate.rule == "threshold" ? c.gate.problems
                                                             : c.gate.max_problems);
}

Status ReadHeldOut(const RunConfig& c, std::vector<Problem>& held_out, std::vector<Problem>& test) {
  const std::size_t wanted = static_cast<std::size_t>(c.benchmark.validation) + GatePool(c);
  const auto limit = static_cast<std::size_t>(c.benchmark.limit);
  if (c.data.source == "generator") {
    const std::vector<int> levels = LevelsOf(c);
    PAWL_ASSIGN(held_out, Spread(levels, wanted, kValidationSeed, Split::kValidation));
    PAWL_ASSIGN(test, Spread(levels, limit, kTestSeed, Split::kTest));
    return {};
  }
  PAWL_ASSIGN(held_out, ReadProblems(c.data.validation));
  held_out = Shuffled(std::move(held_out), kValidationSeed);
  PAWL_ASSIGN(test, ReadProblems(c.data.test));
  if (test.size() > limit) test.resize(limit);
  if (held_out.size() < wanted) {
    return Usage(fmt::format(
        "{}: has {} problems, {} are needed: {} to choose the best checkpoint "
        "(benchmark.validation) and {} for the gate",
        c.data.validation, held_out.size(), wanted, c.benchmark.validation, GatePool(c)));
  }
  held_out.resize(wanted);
  return {};
}

// Texts that occur in two sets which must be disjoint.
void CheckDisjoint(const std::vector<NamedProblems>& sets, std::vector<std::string>& wrongs) {
  for (const SharedProblem& shared : FindShared(sets)) {
    if (shared.set_a == shared.set_b || wrongs.size() >= 10) continue;
    wrongs.push_back(fmt::format("\"{}\" of the {} data has the same text as \"{}\" of the {} data",
                                 shared.id_b, shared.set_b, shared.id_a, shared.set_a));
  }
}

}  // namespace

Result<RunData> MakeRunData(const RunConfig& c) {
  std::vector<std::string> wrongs;
  RunData data;
  for (std::size_t i = 0; i < c.stages.size(); ++i) {
    const StageConfig& stage = c.stages[i];
    const bool fresh = stage.method == "sft" && !stage.level_mix.empty();
    if (fresh) continue;
    auto problems = StageProblems(c, stage, i);
    if (!problems && problems.error().code == ErrorCode::kBadFile) {
      return tl::unexpected<Error>(problems.error());
    }
    if (!problems) {
      wrongs.push_back(problems.error().message);
    } else {
      data.train.emplace(stage.name, TrainProblems(std::move(*problems)));
    }
  }
  std::vector<Problem> held_out, test;
  const Status read = ReadHeldOut(c, held_out, test);
  if (!read && read.error().code == ErrorCode::kBadFile) return tl::unexpected<Error>(read.error());
  if (!read) wrongs.push_back(read.error().message);

  std::vector<NamedProblems> sets;
  for (const auto& entry : data.train) sets.push_back({"training", &entry.second.problems()});
  sets.push_back({"validation and gate", &held_out});
  sets.push_back({"test", &test});
  CheckDisjoint(sets, wrongs);
  if (!wrongs.empty()) {
    return Usage(fmt::format("data: {} problem{}\n  {}", wrongs.size(),
                             wrongs.size() == 1 ? "" : "s", fmt::join(wrongs, "\n  ")));
  }
  Sha256 hash;
  for (const auto& [kind, problems] : sets) {
    for (const Problem& problem : *problems)
      hash.Add(problem.id + '\0' + problem.question + '\0' + problem.answer);
  }
  data.sha256 = hash.Hex();
  const auto cut =
      held_out.begin() + std::min<long>(c.benchmark.validation, static_cast<long>(held_out.size()));
  data.validation = ValidationProblems(std::vector<Problem>(held_out.begin(), cut));
  data.gate = ValidationProblems(std::vector<Problem>(cut, held_out.end()));
  data.test = TestProblems(std::move(test));
  return data;
}

}  // namespace pawl
