// pawl data: make generated problems, split files by worked steps, check for duplicates and
// leakage.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <filesystem>

#include "apps/lines.h"
#include "apps/output_path.h"
#include "apps/verbs.h"
#include "data/check.h"
#include "data/generator.h"
#include "data/problem_file.h"

namespace pawl {
namespace {

struct Flags {
  int level = 1;
  std::size_t count = 100;
  std::uint64_t seed = 1;
  std::string split = "train", out, file, by = "steps";
  std::vector<std::string> files;
  bool json = false;
};

Result<Split> ParseSplit(const std::string& name) {
  for (const Split split : {Split::kTrain, Split::kValidation, Split::kTest}) {
    if (name == SplitName(split)) return split;
  }
  return Usage(fmt::format("--split: unknown \"{}\", known: train, validation, test", name));
}

Status Make(const Flags& flags) {
  PAWL_ASSIGN(const Split split, ParseSplit(flags.split));
  PAWL_TRY(CheckOutputFile("--out", flags.out));
  PAWL_ASSIGN(const auto problems, GenerateProblems(flags.level, flags.count, flags.seed, split));
  PAWL_TRY(WriteProblems(problems, flags.out));
  if (flags.json)
    return PrintLine(WriteJson(Json{{"file", flags.out}, {"problems", problems.size()}}));
  return PrintLine(fmt::format("{}: {} problems", flags.out, problems.size()));
}

// FILE -> FILE's stem with -level1, -level2, -level3 beside it (or in --out).
Status SplitFile(const Flags& flags) {
  if (flags.by != "steps")
    return Usage(fmt::format("--by: unknown \"{}\", known: steps", flags.by));
  PAWL_TRY(CheckOutputFolder("--out", flags.out));
  PAWL_ASSIGN(const auto problems, ReadProblems(flags.file));
  std::array<std::vector<Problem>, 3> levels;
  for (Problem problem : problems) {
    const int level = LevelBySteps(WorkedSteps(problem));
    problem.level = level;
    levels[static_cast<std::size_t>(level - 1)].push_back(std::move(problem));
  }
  const std::filesystem::path source(flags.file);
  const std::filesystem::path folder =
      flags.out.empty() ? source.parent_path() : std::filesystem::path(flags.out);
  std::error_code failed;
  if (!folder.empty()) std::filesystem::create_directories(folder, failed);
  Json out = Json::array();
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const auto file = folder / fmt::format("{}-level{}.jsonl", source.stem().string(), i + 1);
    PAWL_TRY(WriteProblems(levels[i], file));
    out.push_back({{"level", i + 1}, {"problems", levels[i].size()}, {"file", file.string()}});
  }
  if (flags.json) return PrintLine(WriteJson(Json{{"levels", out}}));
  for (const Json& level : out) {
    PAWL_TRY(PrintLine(fmt::format("level {}: {} problems in {}", level.at("level").get<int>(),
                                   level.at("problems").get<std::size_t>(),
                                   level.at("file").get<std::string>())));
  }
  return {};
}

Status Check(const Flags& flags, VerbResult& result) {
  std::vector<std::vector<Problem>> all;
  for (const std::string& file : flags.files) {
    PAWL_ASSIGN(auto problems, ReadProblems(file));
    all.push_back(std::move(problems));
  }
  std::vector<NamedProblems> sets;
  for (std::size_t i = 0; i < all.size(); ++i) sets.push_back({flags.files[i], &all[i]});
  Json duplicates = Json::array(), leaks = Json::array();
  for (const SharedProblem& shared : FindShared(sets)) {
    (shared.set_a == shared.set_b ? duplicates : leaks)
        .push_back({{"first", {{"file", shared.set_a}, {"id", shared.id_a}}},
                    {"second", {{"file", shared.set_b}, {"id", shared.id_b}}}});
  }
  if (!leaks.empty()) result.exit_code = static_cast<int>(ErrorCode::kBadFile);
  if (flags.json) return PrintLine(WriteJson(Json{{"duplicates", duplicates}, {"leaks", leaks}}));
  for (const auto& [name, list] :
       {std::pair{"duplicate", &duplicates}, std::pair{"leak", &leaks}}) {
    for (const Json& pair : *list) {
      PAWL_TRY(PrintLine(fmt::format("{}: {} \"{}\" and {} \"{}\"", name,
                                     pair.at("first").at("file").get<std::string>(),
                                     pair.at("first").at("id").get<std::string>(),
                                     pair.at("second").at("file").get<std::string>(),
                                     pair.at("second").at("id").get<std::string>())));
    }
  }
  return PrintLine(fmt::format("{} duplicates within files, {} problems shared between files",
                               duplicates.size(), leaks.size()));
}

}  // namespace

void AddData(CLI::App& app, VerbResult& result) {
  CLI::App* data =
      AddVerb(app, "data", "make, split and check problems",
              "pawl data make --level 2 --count 200 --seed 1 --split train --out train.jsonl");
  data->require_subcommand(1);
  auto flags = std::make_shared<Flags>();
  CLI::App* make = AddVerb(*data, "make", "graded word problems",
                           "pawl data make --level 1 --count 100 --out problems.jsonl");
  make->add_option("--level", flags->level, "1 basic, 2 intermediate, 3 advanced");
  make->add_option("--count", flags->count, "problems (100)");
  make->add_option("--seed", flags->seed, "seed (1)");
  make->add_option("--split", flags->split, "train, validation or test: disjoint by construction");
  make->add_option("--out", flags->out, "file to write")->required();
  make->add_flag("--json", flags->json, "one JSON document on standard output");
  make->callback([flags, &result] { result.status = Make(*flags); });
  CLI::App* split = AddVerb(*data, "split", "a file into levels by its worked steps",
                            "pawl data split train.jsonl --by steps");
  split->add_option("FILE", flags->file, "JSON Lines file with worked solutions")->required();
  split->add_option("--by", flags->by, "steps: at most 2, 3 to 4, 5 or more");
  split->add_option("--out", flags->out, "folder for the level files (default: beside FILE)");
  split->add_flag("--json", flags->json, "one JSON document on standard output");
  split->callback([flags, &result] { result.status = SplitFile(*flags); });
  CLI::App* check = AddVerb(*data, "check", "duplicates, and problems that files share",
                            "pawl data check train.jsonl test.jsonl");
  check->add_option("FILES", flags->files, "JSON Lines files")->required();
  check->add_flag("--json", flags->json, "one JSON document on standard output");
  check->callback([flags, &result] { result.status = Check(*flags, result); });
}

}  // namespace pawl
