#include "pipeline/stage_data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "base/sha256.h"
#include "base/shuffle.h"
#include "data/check.h"
#include "data/generator.h"
#include "data/problem_file.h"
#include "pipeline/gate.h"

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
  Shuffle(problems, random);
  return problems;
}

// What is read from files, once.
struct FileProblems {
  std::vector<Problem> train, held_out, test;
};

Result<std::vector<Problem>> StageProblems(const RunConfig& c, const StageConfig& stage,
                                           std::size_t index, const FileProblems& files) {
  const auto count = static_cast<std::size_t>(stage.max_samples);
  if (c.data.source == "generator" && stage.train.empty()) {
    return GenerateProblems(stage.level, count, c.run.seed * 1000 + index, Split::kTrain);
  }
  std::vector<Problem> all = files.train;
  if (!stage.train.empty()) {
    PAWL_ASSIGN(all, ReadProblems(stage.train));
  }
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

// Levels that the stages train on.
std::vector<int> LevelsOf(const RunConfig& c) {
  std::vector<int> levels;
  for (const StageConfig& stage : c.stages) {
    if (stage.level_mix.empty() && stage.level > 0) levels.push_back(stage.level);
    for (std::size_t i = 0; i < stage.level_mix.size(); ++i) {
      if (stage.level_mix[i] > 0) levels.push_back(static_cast<int>(i) + 1);
    }
  }
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  return levels.empty() ? std::vector<int>{1} : levels;
}

// Takes `wanted` problems out of train, with all that have the same text.
std::vector<Problem> TakeOut(std::vector<Problem>& train, std::size_t wanted) {
  std::vector<Problem> shuffled = Shuffled(train, kValidationSeed), taken;
  std::set<std::string> texts;
  for (Problem& problem : shuffled) {
    if (taken.size() == wanted) break;
    if (texts.insert(NormalisedText(problem)).second) taken.push_back(std::move(problem));
  }
  std::erase_if(train,
                [&](const Problem& problem) { return texts.contains(NormalisedText(problem)); });
  return taken;
}

Status ReadFiles(const RunConfig& c, FileProblems& files) {
  const int needed = c.benchmark.validation + GateProblems(c.gate);
  const auto wanted = static_cast<std::size_t>(c.benchmark.validation + GatePool(c.gate));
  const auto limit = static_cast<std::size_t>(c.benchmark.limit);
  if (c.data.source == "generator") {
    const std::vector<int> levels = LevelsOf(c);
    PAWL_ASSIGN(files.held_out, Spread(levels, wanted, kValidationSeed, Split::kValidation));
    PAWL_ASSIGN(files.test, Spread(levels, limit, kTestSeed, Split::kTest));
    return {};
  }
  PAWL_ASSIGN(files.train, ReadProblems(c.data.train));
  PAWL_ASSIGN(files.test, ReadProblems(c.data.test));
  if (files.test.size() > limit) files.test.resize(limit);
  if (c.data.validation.empty()) {
    files.held_out = TakeOut(files.train, static_cast<std::size_t>(needed));
  } else {
    PAWL_ASSIGN(files.held_out, ReadProblems(c.data.validation));
    files.held_out = Shuffled(std::move(files.held_out), kValidationSeed);
  }
  if (files.held_out.size() < static_cast<std::size_t>(needed)) {
    return Usage(
        fmt::format("{}: has {} problems, {} are needed: {} to choose the best checkpoint "
                    "(benchmark.validation) and {} for the gate",
                    c.data.validation.empty() ? c.data.train : c.data.validation,
                    files.held_out.size(), needed, c.benchmark.validation, GateProblems(c.gate)));
  }
  if (files.held_out.size() > wanted) files.held_out.resize(wanted);
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

void RunData::Keep(const std::string& stage, const std::vector<std::size_t>& problems) {
  const std::vector<Problem>& all = train.at(stage).problems();
  std::vector<Problem> kept;
  for (const std::size_t i : problems) kept.push_back(all.at(i));
  train.insert_or_assign(stage, TrainProblems(std::move(kept)));
}

bool FiltersByDifficulty(const StageConfig& stage) {
  return stage.min_pass_rate > 0 || stage.max_pass_rate < 1;
}

Result<RunData> MakeRunData(const RunConfig& c) {
  std::vector<std::string> wrongs;
  // Damaged files end it at once; everything else is gathered.
  const auto gather = [&](const Error& error) {
    if (error.code != ErrorCode::kUsage) return false;
    wrongs.push_back(error.message);
    return true;
  };
  RunData data;
  FileProblems files;
  const Status read = ReadFiles(c, files);
  if (!read && !gather(read.error())) return tl::unexpected<Error>(read.error());
  for (std::size_t i = 0; i < c.stages.size() && read; ++i) {
    const StageConfig& stage = c.stages[i];
    if (stage.method == "sft" && !stage.level_mix.empty()) continue;  // fresh problems
    auto problems = StageProblems(c, stage, i, files);
    if (problems) {
      data.train.emplace(stage.name, TrainProblems(std::move(*problems)));
    } else if (!gather(problems.error())) {
      return tl::unexpected<Error>(problems.error());
    }
  }
  std::vector<NamedProblems> sets;
  for (const auto& entry : data.train) sets.push_back({"training", &entry.second.problems()});
  sets.push_back({"validation and gate", &files.held_out});
  sets.push_back({"test", &files.test});
  CheckDisjoint(sets, wrongs);
  if (!wrongs.empty()) {
    return Usage(fmt::format("data: {} problem{}\n  {}", wrongs.size(),
                             wrongs.size() == 1 ? "" : "s", fmt::join(wrongs, "\n  ")));
  }
  Sha256 hash;
  for (const auto& [kind, problems] : sets) {
    for (const Problem& problem : *problems) {
      hash.Add(problem.id + '\0' + problem.question + '\0' + problem.answer + '\0');
    }
  }
  data.sha256 = hash.Hex();
  const auto cut = files.held_out.begin() +
                   std::min<long>(c.benchmark.validation, static_cast<long>(files.held_out.size()));
  data.validation = ValidationProblems(std::vector<Problem>(files.held_out.begin(), cut));
  data.gate = ValidationProblems(std::vector<Problem>(cut, files.held_out.end()));
  data.test = TestProblems(std::move(files.test));
  return data;
}

}  // namespace pawl
