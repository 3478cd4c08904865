// Reports from records: words only as the numbers allow, text escaped, unfinished runs said to be
// so.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "report/curve.h"
#include "report/html.h"
#include "report/report.h"

namespace pawl {
namespace {
namespace fs = std::filesystem;

Json Summary(double low, double high) {
  const Json side{{"correct", 5},
                  {"total", 10},
                  {"accuracy", 0.5},
                  {"wilson95", {0.2, 0.8}},
                  {"sampled_accuracy", 0.4},
                  {"samples", 4}};
  return {{"format_version", 1},
          {"exit_reason", "finished"},
          {"seconds", 3.0},
          {"base", side},
          {"final", side},
          {"gain_points", 0.0},
          {"gain_interval95", {low, high}},
          {"sampled_gain_points", nullptr},
          {"sampled_gain_interval95", nullptr},
          {"stages",
           {{{"name", "a"},
             {"method", "grpo"},
             {"decision", "accept"},
             {"attempts", 1},
             {"steps", 2},
             {"seconds", 1.0},
             {"gate_accuracy_before", nullptr},
             {"gate_accuracy_after", nullptr}}}}};
}

TEST(SummarySentences, SayRoseOrFellOnlyWhenTheIntervalExcludesZero) {
  EXPECT_NE(SummarySentences(Summary(1, 5)).find("rose"), std::string::npos);
  EXPECT_NE(SummarySentences(Summary(-5, -1)).find("fell"), std::string::npos);
  EXPECT_NE(SummarySentences(Summary(-5, 5)).find("not distinguishable"), std::string::npos);
  EXPECT_EQ(SummarySentences(Summary(-5, 5)).find("nan"), std::string::npos);
}

TEST(Html, EscapesTextAndLoadsNothing) {
  const std::string html = HtmlPage(
      "<script>",
      HtmlFromMarkdown("# a <b>\n\n| x | y |\n|---|---|\n| <i> | 2 |\n* **bold** & more\n"));
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_EQ(html.find("<i>"), std::string::npos);
  EXPECT_NE(html.find("<strong>bold</strong> &amp; more"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos);
}

TEST(CurveSvg, HasATextAlternativeAndNeedsTwoPoints) {
  const std::vector<Json> records{{{"step", 1}, {"reward", 0.1}}, {{"step", 2}, {"reward", 0.4}}};
  const std::string svg = CurveSvg(records, "reward", "basic: reward");
  EXPECT_NE(svg.find("<title>basic: reward: from 0.1 at step 1 to 0.4 at step 2"),
            std::string::npos)
      << svg;
  EXPECT_EQ(CurveSvg({records[0]}, "reward", "x"), "");
}

TEST(WriteReports, SaysWhenARunDidNotFinishAndRefusesOtherFolders) {
  const fs::path folder = fs::temp_directory_path() / "pawl-report-test";
  fs::remove_all(folder);
  fs::create_directories(folder / "stages/a");
  EXPECT_EQ(WriteReports(folder).error().code, ErrorCode::kUsage);
  EXPECT_EQ(WriteReports(folder / "none").error().code, ErrorCode::kUsage);
  std::ofstream(folder / "environment.json") << "{\"version\":\"x\",\"threads\":2}";
  std::ofstream(folder / "stages/a/metrics.jsonl")
      << "{\"step\":1,\"reward\":0.5}\n{\"step\":2,\"reward\":0.6}\n";
  ASSERT_TRUE(WriteReports(folder).has_value());
  EXPECT_NE(ReadFile(folder / "report.md")->find("did not finish"), std::string::npos);
  EXPECT_NE(ReadFile(folder / "report.html")->find("<svg"), std::string::npos);
}

}  // namespace
}  // namespace pawl
