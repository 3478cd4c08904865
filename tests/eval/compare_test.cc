#include "eval/compare.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file_system.h"

namespace pawl {
namespace {

// A document as other programs may make it: only what compare must have.
Json Document(const std::vector<std::vector<bool>>& answers) {
  Json problems = Json::array();
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Json samples = Json::array();
    for (const bool correct : answers[i]) samples.push_back({{"correct", correct}});
    problems.push_back({{"id", "q" + std::to_string(i)}, {"samples", samples}});
  }
  return {{"problems", problems}};
}

BenchFile File(const Json& document, const std::string& name = "a.json") {
  auto file = ParseBenchFile(document, name);
  if (!file) {
    ADD_FAILURE() << file.error().message;
    return {};
  }
  return std::move(*file);
}

std::vector<std::vector<bool>> Single(const std::string& bits) {
  std::vector<std::vector<bool>> answers;
  for (const char bit : bits) answers.push_back({bit == '1'});
  return answers;
}

TEST(Compare, CountsWinsLossesAndTiesFromIdsAndCorrectAlone) {
  const Json json = *CompareBenches({File(Document(Single("1100110100")), "base.json"),
                                     File(Document(Single("1011111101")), "new.json")});
  ASSERT_EQ(json.at("pairs").size(), 1u);
  const Json& pair = json.at("pairs")[0];
  EXPECT_EQ(pair.at("baseline"), "base.json");
  EXPECT_EQ(pair.at("candidate"), "new.json");
  EXPECT_EQ(pair.at("problems"), 10);
  EXPECT_EQ(pair.at("wins"), 4);
  EXPECT_EQ(pair.at("losses"), 1);
  EXPECT_EQ(pair.at("ties"), 5);
  EXPECT_NEAR(pair.at("difference").get<double>(), 0.3, 1e-12);
  EXPECT_NEAR(pair.at("mcnemar_exact_p").get<double>(), McNemarExact(1, 4), 1e-12);
  EXPECT_NEAR(pair.at("mcnemar_mid_p").get<double>(), McNemarMidP(1, 4), 1e-12);
  const auto interval =
      NewcombePaired({.both = 4, .only_first = 4, .only_second = 1, .neither = 1});
  EXPECT_NEAR(pair.at("interval95")[0].get<double>(), interval->low, 1e-12);
  EXPECT_NEAR(pair.at("interval95")[1].get<double>(), interval->high, 1e-12);
  EXPECT_NEAR(pair.at("margin").get<double>(), 0.05, 1e-12);
  EXPECT_EQ(pair.at("verdict"), "not distinguishable");
  for (const char* key : {"e_regression", "e_noninferior", "e_improvement", "mde"}) {
    EXPECT_TRUE(pair.at(key).is_number()) << key;
  }
  ASSERT_EQ(pair.at("lost").size(), 1u);
  EXPECT_EQ(pair.at("lost")[0].at("id"), "q1");
  EXPECT_TRUE(pair.at("lost")[0].at("baseline").is_null());
  ASSERT_EQ(pair.at("won").size(), 4u);
  EXPECT_EQ(pair.at("won")[0].at("id"), "q2");
}

TEST(Compare, UsesProblemMeansForSeveralAnswers) {
  const Json json = *CompareBenches({File(Document({{true, false}, {false, false}, {true, true}})),
                                     File(Document({{true, true}, {false, true}, {true, false}}))});
  const Json& pair = json.at("pairs")[0];
  EXPECT_EQ(pair.at("wins"), 2);
  EXPECT_EQ(pair.at("losses"), 1);
  EXPECT_TRUE(pair.at("mcnemar_exact_p").is_null());
  EXPECT_TRUE(pair.at("mcnemar_mid_p").is_null());
  const auto interval = TInterval(std::vector<double>{0.5, 0.5, -0.5});
  EXPECT_DOUBLE_EQ(pair.at("interval95")[0].get<double>(), interval->interval.low);
}

TEST(Compare, GivesEachCandidateItsPairAndEachFileItsSummary) {
  Json a = Document(Single("1010"));
  a["summary"] = {{"accuracy", 0.5}, {"mine", "too"}};
  const Json json = *CompareBenches(
      {File(a, "a"), File(Document(Single("1110")), "b"), File(Document(Single("0000")), "c")});
  ASSERT_EQ(json.at("rows").size(), 3u);
  EXPECT_EQ(json.at("rows")[0], (Json{{"name", "a"}, {"accuracy", 0.5}, {"mine", "too"}}));
  EXPECT_EQ(json.at("rows")[2], (Json{{"name", "c"}}));
  ASSERT_EQ(json.at("pairs").size(), 2u);
  EXPECT_EQ(json.at("pairs")[1].at("baseline"), "a");
  EXPECT_EQ(json.at("pairs")[1].at("candidate"), "c");
}

TEST(Compare, SaysOnlyWhatTheNumbersAllow) {
  const auto text = [](const std::string& base, const std::string& candidate) {
    return CompareText(*CompareBenches(
        {File(Document(Single(base)), "base"), File(Document(Single(candidate)), "new")}));
  };
  const std::string zeros(40, '0'), ones(40, '1');
  EXPECT_NE(text(zeros, ones).find("better (+100.0 points on 40 problems)"), std::string::npos);
  EXPECT_NE(text(ones, zeros).find("worse (-100.0 points on 40 problems)"), std::string::npos);
  const std::string few = text("1100110100", "1011111101");
  EXPECT_NE(few.find("not distinguishable at n = 10: +30.0 points"), std::string::npos) << few;
  EXPECT_EQ(few.find("better"), std::string::npos) << few;
  EXPECT_NE(few.find("won: q2, q3, q6, q9"), std::string::npos) << few;
  EXPECT_NE(few.find("lost: q1"), std::string::npos) << few;
  EXPECT_NE(text(zeros, ones).find("and 32 more"), std::string::npos);
}

TEST(Compare, ShowsBothAnswersWhereTheFilesHaveThem) {
  Json a = Document(Single("10")), b = Document(Single("11"));
  a["problems"][1]["samples"][0]["completion"] = "wrong";
  b["problems"][1]["samples"][0]["completion"] = "right";
  const Json won = (*CompareBenches({File(a), File(b)})).at("pairs")[0].at("won");
  EXPECT_EQ(won, Json::array({{{"id", "q1"}, {"baseline", "wrong"}, {"candidate", "right"}}}));
}

TEST(Compare, RefusesOtherProblemsPromptsAndGradersNamingThem) {
  const Json a = Document(Single("101"));
  const auto error = [&](const Json& b) {
    const auto result = CompareBenches({File(a, "a.json"), File(b, "b.json")});
    if (result) return std::string("no error");
    EXPECT_EQ(result.error().code, ErrorCode::kUsage);
    return result.error().message;
  };
  const std::string sets = error(Document(Single("10")));
  EXPECT_NE(sets.find("\"q2\""), std::string::npos) << sets;
  EXPECT_NE(sets.find("b.json"), std::string::npos) << sets;
  for (const char* key : {"data_sha256", "prompt_sha256", "reward"}) {
    Json with = a, other = a;
    with["settings"] = {{key, "one"}};
    other["settings"] = {{key, "two"}};
    const auto result = CompareBenches({File(with, "a.json"), File(other, "b.json")});
    ASSERT_FALSE(result) << key;
    EXPECT_EQ(result.error().code, ErrorCode::kUsage);
    EXPECT_NE(result.error().message.find(key), std::string::npos) << result.error().message;
    EXPECT_TRUE(CompareBenches({File(with), File(a)})) << "unknown settings are no difference";
    EXPECT_TRUE(CompareBenches({File(with), File(with)}));
  }
  const auto lonely = CompareBenches({File(a)});
  ASSERT_FALSE(lonely);
  EXPECT_EQ(lonely.error().code, ErrorCode::kUsage);
}

TEST(Compare, RefusesDamagedDocumentsNamingThePlace) {
  const auto error = [](const Json& document) {
    const auto result = ParseBenchFile(document, "a.json");
    if (result) return std::string("no error");
    EXPECT_EQ(result.error().code, ErrorCode::kBadFile);
    return result.error().message;
  };
  EXPECT_NE(error(5).find("list \"problems\""), std::string::npos);
  EXPECT_NE(error({{"problems", 5}}).find("list \"problems\""), std::string::npos);
  EXPECT_NE(error({{"problems", Json::array()}}).find("no problems"), std::string::npos);
  Json bad = Document(Single("101"));
  bad["problems"][1] = 3;
  EXPECT_NE(error(bad).find("a.json: problem 1"), std::string::npos) << error(bad);
  bad = Document(Single("101"));
  bad["problems"][2]["samples"] = Json::array();
  EXPECT_NE(error(bad).find("problem 2: \"samples\""), std::string::npos) << error(bad);
  bad = Document(Single("101"));
  bad["problems"][0]["samples"][0] = "yes";
  EXPECT_NE(error(bad).find("problem 0"), std::string::npos) << error(bad);
  bad = Document(Single("101"));
  bad["problems"][0]["samples"][0]["correct"] = 1;
  EXPECT_NE(error(bad).find("correct"), std::string::npos) << error(bad);
  bad = Document(Single("101"));
  bad["problems"][2]["id"] = "q0";
  EXPECT_NE(error(bad).find("\"q0\" occurs twice"), std::string::npos) << error(bad);
  bad = Document(Single("101"));
  bad["summary"] = 3;  // not needed
  bad["settings"] = Json::array();
  EXPECT_EQ(error(bad), "no error");
}

TEST(Compare, ReadsFiles) {
  const auto path = std::filesystem::path(testing::TempDir()) / "compare_reads.json";
  ASSERT_TRUE(WriteFileAtomic(path, WriteJsonPretty(Document(Single("10")))));
  const auto file = ReadBenchFile(path);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->name, path.string());
  EXPECT_EQ(file->outcomes.size(), 2u);
  ASSERT_TRUE(WriteFileAtomic(path, "{\"problems\": [{\"id\": "));
  EXPECT_EQ(ReadBenchFile(path).error().code, ErrorCode::kBadFile);
  std::filesystem::remove(path);
  EXPECT_EQ(ReadBenchFile(path).error().code, ErrorCode::kUsage);
}

TEST(Compare, CorrectsForTheNumberOfCandidates) {
  // 8 wins of 8: exact p = 2/256; three such candidates: Holm gives 3, 2 and 1 times it, in order.
  const std::string base(20, '0'), won = std::string(8, '1') + std::string(12, '0');
  const Json json =
      *CompareBenches({File(Document(Single(base)), "base"), File(Document(Single(won)), "a"),
                       File(Document(Single(won)), "b"), File(Document(Single(base)), "c")});
  const Json& pairs = json.at("pairs");
  EXPECT_NEAR(pairs[0].at("p_value").get<double>(), 2.0 / 256, 1e-12);
  EXPECT_NEAR(pairs[0].at("p_holm").get<double>(), 6.0 / 256, 1e-12);
  EXPECT_NEAR(pairs[1].at("p_holm").get<double>(), 6.0 / 256, 1e-12);  // never below the one before
  EXPECT_EQ(pairs[2].at("p_holm"), 1.0);
  // e = 56.8 for 8 of 8: enough alone (20), not as one of three (60).
  EXPECT_EQ(pairs[0].at("verdict"), "better");
  EXPECT_EQ(pairs[0].at("corrected_verdict"), "not worse");
  EXPECT_EQ(PairWords(pairs[2]), "not distinguishable at n = 20: +0.0 points, 0 problems apart");
  EXPECT_EQ(PairWords(pairs[2]).find("would be seen"), std::string::npos);  // ties tell no spread
}

}  // namespace
}  // namespace pawl
