// Reports from records: words only as the numbers allow, text escaped, unfinished runs said to be
// so.
#include <gtest/gtest.h>

#include "base/file.h"
#include "report/chart.h"
#include "report/document.h"
#include "report/next_config.h"
#include "report/report.h"
#include "support/run_folder.h"

namespace pawl {
namespace {

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

TEST(Document, EscapesTextsOfModelsInBothFormsAndLoadsNothing) {
  Document d;
  d.Heading(2, "a <b> *c*");
  d.Paragraph("5 < 6 | `x` " + Strong("bold"));
  d.Table({{"x", "y"}, {"<i>", "a|b"}});
  d.Texts({{"answer", "</pre><script>alert(1)</script>\n```\n# heading\x01"}});
  const std::string html = HtmlOf(d, "<script>");
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_EQ(html.find("<i>"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos);
  EXPECT_EQ(html.find('\x01'), std::string::npos);
  EXPECT_NE(html.find("<strong>bold</strong>"), std::string::npos);
  const std::string markdown = MarkdownOf(d);
  EXPECT_NE(markdown.find("## a \\<b\\> \\*c\\*"), std::string::npos) << markdown;
  EXPECT_NE(markdown.find("a\\|b"), std::string::npos) << markdown;
  EXPECT_NE(markdown.find("````\n</pre>"), std::string::npos) << markdown;
  EXPECT_NE(markdown.find("**bold**"), std::string::npos) << markdown;
}

TEST(Chart, HasATextAlternativeAndNeedsTwoPoints) {
  const ChartLine line{"", {{1, 0.1, {}, {}}, {2, 0.4, 0.3, 0.5}}};
  const auto figure = ChartFigure({"Reward <x>", "step", {line}, {{1, "a&b"}}, 1, "", true});
  EXPECT_NE(figure.svg.find("<title>Reward &lt;x&gt;: from 0.1 at step 1 to 0.4 at step 2"),
            std::string::npos)
      << figure.svg;
  EXPECT_NE(figure.svg.find("a&amp;b"), std::string::npos);
  EXPECT_TRUE(ChartFigure({"x", "step", {{"", {{1, 1, {}, {}}}}}, {}, 1, "", true}).svg.empty());
  const auto flat =
      ChartFigure({"x", "step", {{"", {{1, 0, {}, {}}, {2, 0, {}, {}}}}}, {}, 1, "", true});
  EXPECT_EQ(flat.svg.find("nan"), std::string::npos);
  EXPECT_EQ(flat.svg.find("inf"), std::string::npos);
}

TEST(ChangedConfig, ChangesTheNamedTableOnlyAndSaysWhy) {
  const std::string config =
      "[run]\nseed = 1\n\n[[stage]]\nmax_steps = 5\nname = 'a'\n\n[[stage]]\nmax_steps = 5\n"
      "name = 'b'\n";
  const std::string text =
      ChangedConfig(config, {{"stage.b", "max_steps", "9", "It rose."}, {"x", "y", "1", "no"}});
  EXPECT_NE(text.find("# stage.b.max_steps: 9 instead of 5. It rose."), std::string::npos) << text;
  EXPECT_NE(text.find("max_steps = 5\nname = 'a'"), std::string::npos) << text;
  EXPECT_NE(text.find("max_steps = 9\nname = 'b'"), std::string::npos) << text;
  EXPECT_EQ(text.find("y = 1"), std::string::npos);
}

class Report : public testing::Test {
 protected:
  std::string Text(const RunFolder& folder, const char* file = "report.md") {
    const Status written = WriteReports(folder.path());
    if (!written) ADD_FAILURE() << written.error().message;
    return ReadFile(folder.path() / file).value_or("");
  }
};

TEST_F(Report, SaysWhenARunDidNotFinishOrFailedAndRefusesOtherFolders) {
  const RunFolder folder("report-unfinished");
  EXPECT_EQ(WriteReports(folder.path() / "none").error().code, ErrorCode::kUsage);
  folder.Write("stages/a/metrics.jsonl",
               "{\"step\":1,\"reward\":0.5}\n{\"step\":2,\"reward\":0.6}\n{\"step\":3,");
  std::string text = Text(folder);
  EXPECT_NE(text.find("did not finish"), std::string::npos);
  EXPECT_NE(text.find("step 2 of stage a"), std::string::npos) << text;
  EXPECT_NE(text.find("damaged"), std::string::npos);
  EXPECT_NE(Text(folder, "report.html").find("<svg"), std::string::npos);
  Json summary = Summary(1, 5);
  summary["exit_reason"] = "unhealthy";
  folder.Write("summary.json", WriteJsonPretty(summary));
  EXPECT_NE(Text(folder).find("This run failed"), std::string::npos);
  std::filesystem::remove(folder.path() / "environment.json");
  std::filesystem::remove(folder.path() / "summary.json");
  EXPECT_EQ(WriteReports(folder.path()).error().code, ErrorCode::kUsage);
}

TEST_F(Report, HasExamplesOfNewlyWonAndLostProblemsAndEveryFilesHash) {
  const RunFolder folder("report-examples");
  folder.Write("summary.json", WriteJsonPretty(Summary(-5, 5)));
  folder.WriteBench("base", "RRWW");
  folder.WriteBench("final", "RWRW");
  const std::string text = Text(folder);
  for (const char* words : {"Newly lost", "Newly won", "Right before and after",
                            "an equation is wrong", "Knowledge kept", "Scaling plan"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words;
  }
  EXPECT_NE(text.find("final\\_benchmark\\_results\\_20260101\\_000000.json"), std::string::npos);
  EXPECT_EQ(text.find("nan"), std::string::npos);
}

TEST_F(Report, NoProblemsAllRightAndAllWrongGiveNoNan) {
  for (const std::string outcomes : {"", "R", "W", "RRRR", "WWWW"}) {
    const RunFolder folder("report-edges");
    folder.Write("summary.json", WriteJsonPretty(Summary(0, 0)));
    for (const char* name : {"base", "final", "base_sampled", "final_sampled"}) {
      folder.WriteBench(name, outcomes, 2);
    }
    for (const char* file : {"report.md", "report.html"}) {
      const std::string text = Text(folder, file);
      EXPECT_EQ(text.find("nan"), std::string::npos) << outcomes;
      EXPECT_EQ(text.find("inf "), std::string::npos) << outcomes;
    }
  }
}

}  // namespace
}  // namespace pawl
