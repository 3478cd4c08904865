// Findings from records: verdicts follow their rules, and nothing is NaN.
#include "diagnose/diagnose.h"

#include <gtest/gtest.h>

#include "diagnose/answers.h"
#include "support/run_folder.h"

namespace pawl {
namespace {

std::vector<Finding> Findings(const RunFolder& folder) {
  const auto records = ReadRunRecords(folder.path());
  if (!records) {
    ADD_FAILURE() << records.error().message;
    return {};
  }
  return Diagnose(*records);
}

const Finding& Get(const std::vector<Finding>& findings, const std::string& key) {
  for (const Finding& finding : findings) {
    if (finding.key == key) return finding;
  }
  ADD_FAILURE() << key;
  return findings.front();
}

void ExpectFinite(const std::vector<Finding>& findings) {
  for (const Finding& f : findings) {
    EXPECT_FALSE(f.reason.empty()) << f.key;
    EXPECT_FALSE(f.rule.empty()) << f.key;
    EXPECT_EQ(f.verdict == Verdict::kCannotTell, !f.to_settle.empty()) << f.key;
    for (const Measurement& m : f.measurements) {
      EXPECT_FALSE(m.source.empty()) << f.key << ": " << m.name;
      EXPECT_TRUE(std::isfinite(m.value.value_or(0))) << m.name;
      if (m.interval95) {
        EXPECT_TRUE(std::isfinite(m.interval95->low) && std::isfinite(m.interval95->high))
            << m.name;
      }
    }
  }
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(Diagnose, EmptyRunsCannotBeToldAndSayWhatWouldSettleIt) {
  const RunFolder folder("diagnose-empty");
  const auto findings = Findings(folder);
  EXPECT_EQ(findings.size(), 9u);
  for (const Finding& f : findings) EXPECT_EQ(f.verdict, Verdict::kCannotTell) << f.key;
  ExpectFinite(findings);
}

TEST(Diagnose, ForgettingIsSupportedOnlyWhereALevelFell) {
  const RunFolder folder("diagnose-forgetting");
  folder.WriteBench("base", Repeat("RW", 120));
  folder.WriteBench("final", Repeat("WR", 120));  // level 1 lost, level 2 gained, the mean equal
  EXPECT_EQ(Get(Findings(folder), "catastrophic_forgetting").verdict, Verdict::kSupported);
  folder.WriteBench("final", Repeat("RR", 120));
  EXPECT_EQ(Get(Findings(folder), "catastrophic_forgetting").verdict, Verdict::kNotSupported);
  folder.WriteBench("base", "RW");
  folder.WriteBench("final", "RW");
  EXPECT_EQ(Get(Findings(folder), "catastrophic_forgetting").verdict, Verdict::kCannotTell);
}

TEST(Diagnose, ZeroOneAllRightAllWrongAndTiesGiveNoNan) {
  for (const std::string outcomes : {"", "R", "W", "RRRRRRRRRR", "WWWWWWWWWW"}) {
    for (const int samples : {1, 4}) {
      const RunFolder folder("diagnose-edges");
      folder.WriteBench("base", outcomes);
      folder.WriteBench("final", outcomes);
      folder.WriteBench("base_sampled", outcomes, samples);
      folder.WriteBench("final_sampled", outcomes, samples);
      const auto findings = Findings(folder);
      ExpectFinite(findings);
      const auto records = ReadRunRecords(folder.path());
      const std::string text = WriteJson(DiagnosisJson(*records, findings));
      EXPECT_EQ(text.find("nan"), std::string::npos);
      EXPECT_EQ(DiagnosisText(findings).find("nan"), std::string::npos);
    }
  }
}

TEST(Diagnose, ResultsWithoutTextsAreUsedForWhatTheyHave) {
  const RunFolder folder("diagnose-textless");
  for (const char* name : {"base", "final"}) {
    folder.Write(std::string("benchmark/") + name + "_benchmark_results_20260101_000000.json",
                 R"({"problems":[{"id":"a","samples":[{"correct":true}]},)"
                 R"({"id":"b","samples":[{"correct":false}]}]})");
  }
  const auto findings = Findings(folder);
  ExpectFinite(findings);
  EXPECT_EQ(Get(findings, "arithmetic_errors").reason, "There are no answers with their text.");
  EXPECT_FALSE(Get(findings, "catastrophic_forgetting").measurements.empty());
}

TEST(Diagnose, ARewardThatPaysForWrongAnswersIsAMismatch) {
  const RunFolder folder("diagnose-objective");
  std::vector<Json> paid_wrong, paid_right;
  for (int i = 0; i < 200; ++i) {
    const Json common{{"step", i / 20}, {"problem", "p"}, {"tokens", 3}, {"finish_reason", "stop"}};
    Json wrong = common, right = common;
    wrong["correct"] = i % 4 == 0;
    wrong["rewards"] = {i % 2 == 0 ? 1.0 : 0.0};
    right["correct"] = i % 2 == 0;
    right["rewards"] = {i % 2 == 0 ? 1.0 : 0.0};
    paid_wrong.push_back(wrong);
    paid_right.push_back(right);
  }
  folder.WriteLines("stages/a/rollouts.jsonl", paid_wrong);
  EXPECT_EQ(Get(Findings(folder), "objective_mismatch").verdict, Verdict::kSupported);
  folder.WriteLines("stages/a/rollouts.jsonl", paid_right);
  EXPECT_EQ(Get(Findings(folder), "objective_mismatch").verdict, Verdict::kNotSupported);
  ExpectFinite(Findings(folder));
}

TEST(Diagnose, SlopesAndUndoneStepsDecideConvergenceAndStepSize) {
  const RunFolder folder("diagnose-curves");
  std::vector<Json> rising, falling;
  for (int i = 1; i <= 60; ++i) {
    const double noise = i % 2 == 0 ? 0.01 : -0.01;
    rising.push_back({{"step", i}, {"attempt", 0}, {"reward", 0.01 * i + noise}});
    falling.push_back({{"step", i}, {"attempt", 0}, {"reward", 1 - 0.01 * i + noise}});
  }
  folder.WriteLines("stages/a/metrics.jsonl", rising);
  EXPECT_EQ(Get(Findings(folder), "not_converged").verdict, Verdict::kSupported);
  EXPECT_EQ(Get(Findings(folder), "learning_rate_too_high").verdict, Verdict::kNotSupported);
  folder.WriteLines("stages/a/metrics.jsonl", falling);
  EXPECT_EQ(Get(Findings(folder), "not_converged").verdict, Verdict::kNotSupported);
  EXPECT_EQ(Get(Findings(folder), "learning_rate_too_high").verdict, Verdict::kSupported);
  rising.insert(rising.begin(), Json{{"step", 1}, {"attempt", 0}, {"unhealthy", 1}});
  folder.WriteLines("stages/a/metrics.jsonl", rising);
  EXPECT_EQ(Get(Findings(folder), "learning_rate_too_high").verdict, Verdict::kSupported);
}

AnswerKind Kind(const std::string& completion, const std::string& gold, bool truncated = false) {
  AnsweredProblem problem;
  problem.question = "Ann has 12 apples. She gives away 5 and buys two boxes of 10.";
  problem.gold = gold;
  AnswerSample sample;
  sample.completion = completion;
  sample.truncated = truncated;
  return CheckAnswer(problem, sample).kind;
}

TEST(CheckAnswer, NamesTheFirstThingThatIsWrong) {
  EXPECT_EQ(Kind(" \n", "27"), AnswerKind::kEmpty);
  EXPECT_EQ(Kind("12-5=7 and", "27", true), AnswerKind::kTruncated);
  EXPECT_EQ(Kind("12-5=7\n2*10=20\n7+20=27\nThe answer is 27.", "27"), AnswerKind::kForm);
  EXPECT_EQ(Kind("12-5=6\n2*10=20\n6+20=26\n#### 26", "27"), AnswerKind::kArithmetic);
  EXPECT_EQ(Kind("12-5=7\n7+13=20\n#### 20", "27"), AnswerKind::kForeignNumber);
  EXPECT_EQ(Kind("12-5=7\n2*10=20\n#### 20", "27"), AnswerKind::kLastStep);
  EXPECT_EQ(Kind("12+5=17\n#### 17", "28"), AnswerKind::kPlan);
  EXPECT_EQ(Kind("#### 5", "27"), AnswerKind::kNoEquation);
}

TEST(MeanOfBounded, DoesNotTakeTiesForCertainty) {
  const auto tied = MeanOfBounded(std::vector<double>(10, 0.0));
  ASSERT_TRUE(tied.has_value());
  EXPECT_NEAR(tied->interval.high, 0.308497, 1e-5);  // Clopper-Pearson's upper limit of 0/10
  EXPECT_NEAR(tied->interval.low, -0.308497, 1e-5);
  EXPECT_FALSE(MeanOfBounded({0.5}).has_value());
  EXPECT_LE(MeanOfBounded(std::vector<double>(10, 1.0))->interval.high, 1.0);
}

TEST(Slope, MatchesAWorkedExample) {
  // y = 1 + 2 x with residuals +-0.1 at x = 0, 1, 2, 3.
  const auto slope = Slope({0, 1, 2, 3}, {1.1, 2.9, 4.9, 7.1});
  ASSERT_TRUE(slope.has_value());
  EXPECT_NEAR(slope->mean, 2.0, 1e-12);
  EXPECT_NEAR(slope->standard_error, std::sqrt(0.04 / 2 / 5), 1e-12);
  EXPECT_FALSE(Slope({1, 1, 1}, {1, 2, 3}).has_value());
  EXPECT_FALSE(Slope({1, 2}, {1, 2}).has_value());
}

TEST(DifferenceOfMeans, MatchesWelch) {
  const auto d = DifferenceOfMeans({0, 1, 2}, {3, 5, 7, 9});
  ASSERT_TRUE(d.has_value());
  EXPECT_NEAR(d->mean, 5, 1e-12);
  EXPECT_NEAR(d->standard_error, std::sqrt(1.0 / 3 + 20.0 / 3 / 4), 1e-12);
  const auto same = DifferenceOfMeans({1, 1, 1}, {1, 1, 1});
  EXPECT_LT(same->interval.low, 0);
}

}  // namespace
}  // namespace pawl
