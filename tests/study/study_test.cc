// A study's configuration and its comparison report.
#include <gtest/gtest.h>

#include "base/file.h"
#include "study/child.h"
#include "study/study_config.h"
#include "study/study_report.h"
#include "support/run_folder.h"

namespace pawl {
namespace {

constexpr const char* kGood =
    "config = 'a.toml'\nseeds = [1, 2]\n[bench]\nsamples = 4\n[[variant]]\nname = 'base'\n"
    "train = false\n[[variant]]\nname = 'fast'\nset = ['run.seed=1']\nconfig = 'b.toml'\n";

TEST(ParseStudy, ReadsVariantsSeedsAndPaths) {
  const auto study = ParseStudy(kGood, "x/study.toml", "x");
  ASSERT_TRUE(study.has_value()) << study.error().message;
  EXPECT_EQ(study->name, "study");
  EXPECT_EQ(study->seeds, (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(study->samples, 4);
  ASSERT_EQ(study->variants.size(), 2u);
  EXPECT_FALSE(study->variants[0].train);
  EXPECT_EQ(study->variants[0].config, "x/a.toml");
  EXPECT_EQ(study->variants[1].config, "x/b.toml");
  EXPECT_EQ(study->variants[1].sets, std::vector<std::string>{"run.seed=1"});
}

TEST(ParseStudy, ListsEveryProblemWithTheNearestKey) {
  const auto study = ParseStudy(
      "confg = 'a'\nseeds = [-1]\n[bench]\nsample = 2\n[[variant]]\nname = 'a b'\nsett = []\n"
      "[[variant]]\nname = 'x'\nset = ['novalue']\n[[variant]]\nname = 'x'\ntrain = 1\n",
      "s.toml", "");
  ASSERT_FALSE(study.has_value());
  EXPECT_EQ(study.error().code, ErrorCode::kUsage);
  for (const char* words :
       {"confg: unknown key; did you mean \"config\"?", "seeds: expected", "config: is missing",
        "bench.sample: unknown key; did you mean \"samples\"?",
        "variant.a b.sett: unknown key; did you mean \"set\"?",
        "variant.a b.name: expected letters", "variant.x.set: expected",
        "variant.x.train: expected", "variant.x: the name occurs twice"}) {
    EXPECT_NE(study.error().message.find(words), std::string::npos) << words << "\n"
                                                                    << study.error().message;
  }
  EXPECT_FALSE(ParseStudy("config = ", "s.toml", "").has_value());
  EXPECT_NE(ParseStudy("config = 'a'", "s", "").error().message.find("variant: expected one"),
            std::string::npos);
  EXPECT_NE(ParseStudy("config = 'a'\nbench = 3\n[[variant]]\nname='a'", "s", "")
                .error()
                .message.find("bench: expected a table"),
            std::string::npos);
  EXPECT_NE(ParseStudy("config = 'a'\n[[variant]]\nname='a'\ntrain=false\nset=['a=1']", "s", "")
                .error()
                .message.find("nothing to set"),
            std::string::npos);
}

TEST(WriteStudyReport, JoinsSeedsAndNamesFailedRuns) {
  const RunFolder folder("study-report");
  auto study = *ParseStudy(kGood, "study.toml", "");
  std::vector<StudyRun> runs;
  for (const auto& [variant, seed, outcomes] :
       {std::tuple("base", 1, "RWWW"), {"base", 2, "RWWR"}, {"fast", 1, "RRWW"}}) {
    const std::string name = std::string(variant) + std::to_string(seed);
    folder.WriteBench(name, outcomes);
    runs.push_back(
        {variant, static_cast<std::uint64_t>(seed), 0, "",
         folder.path() / ("benchmark/" + name + "_benchmark_results_20260101_000000.json")});
  }
  runs.push_back({"fast", 2, 6, "", std::nullopt});
  ASSERT_TRUE(WriteStudyReport(study, runs, folder.path()).has_value());
  const Json json = *ParseJson(*ReadFile(folder.path() / "study.json"), "study");
  const Json& pair = json.at("comparison").at("pairs")[0];
  EXPECT_EQ(pair.at("problems"), 4);
  EXPECT_NEAR(pair.at("difference").get<double>(), 0.5 - 0.375, 1e-12);  // means over seeds
  EXPECT_NE(ReadFile(folder.path() / "report.md")->find("failed (exit 6)"), std::string::npos);
  EXPECT_EQ(ReadFile(folder.path() / "report.html")->find("nan"), std::string::npos);
}

}  // namespace
}  // namespace pawl
