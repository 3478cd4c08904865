#include "eval/bench.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "base/file.h"
#include "base/file_system.h"
#include "eval/toy.h"
#include "stats/intervals.h"

namespace pawl {
namespace {

class Bench : public testing::Test {
 protected:
  Bench() {
    folder_ = std::filesystem::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    settings_.evaluate = bed_.settings;
    settings_.reward = "exact";
    facts_.model_path = "toy";
    facts_.model_sha256 = "00ff";
    facts_.precision = "f32";
    facts_.parameters = 12345;
    facts_.model_bytes = 99;
    facts_.data = "toy.jsonl";
    facts_.data_sha256 = "aa";
    facts_.load_seconds = 0.25;
  }
  ~Bench() override { std::filesystem::remove_all(folder_); }

  Result<std::optional<Json>> Run(const EvaluateHooks& hooks = {}) {
    ThreadPool pool(threads_);
    return RunBench(bed_.policy(), bed_.tokenizer, bed_.problems, settings_, facts_, Compute(pool),
                    hooks);
  }
  Json Results() { return **Run(); }
  // Runs to the end; how many problems were generated, not taken from the partial file.
  int Generated() {
    int count = 0;
    EvaluateHooks hooks;
    hooks.done = [&](std::size_t, const ProblemRecord&) -> Status {
      ++count;
      return {};
    };
    const auto results = Run(hooks);
    EXPECT_TRUE(results && *results);
    return count;
  }
  // Stops after `problems` were written to the partial file.
  void Interrupt(int problems) {
    int done = 0;
    EvaluateHooks hooks;
    hooks.done = [&](std::size_t, const ProblemRecord&) -> Status {
      ++done;
      return {};
    };
    hooks.cancelled = [&] { return done >= problems; };
    settings_.evaluate.max_batch = 3;
    const auto results = Run(hooks);
    ASSERT_TRUE(results);
    EXPECT_FALSE(*results);
    EXPECT_TRUE(std::filesystem::exists(Partial()));
    EXPECT_FALSE(std::filesystem::exists(settings_.out));
  }
  std::filesystem::path Partial() const { return settings_.out.string() + ".partial.jsonl"; }
  void UseOut() { settings_.out = folder_ / "out.json"; }

  Bed bed_;
  BenchSettings settings_;
  BenchFacts facts_;
  std::filesystem::path folder_;
  int threads_ = 1;
};

// Times differ from run to run.
Json WithoutTimes(Json json) {
  for (Json& problem : json.at("problems")) {
    for (Json& sample : problem.at("samples")) sample.erase("seconds");
  }
  for (const char* key :
       {"mean_generation_seconds", "tokens_per_second", "prefill_seconds", "decode_seconds",
        "peak_rss_bytes", "batch", "mean_batch", "mean_context"}) {
    json.at("summary").erase(key);
  }
  json.at("settings").erase("threads");
  return json;
}

TEST_F(Bench, WritesTheContractsDocument) {
  facts_.adapter = "some/adapter";
  settings_.limit = 10;
  const Json json = Results();
  EXPECT_EQ(json.at("format_version"), 1);
  EXPECT_EQ(json.at("model"), (Json{{"path", "toy"},
                                    {"sha256", "00ff"},
                                    {"parameters", 12345},
                                    {"precision", "f32"},
                                    {"adapter", "some/adapter"}}));
  EXPECT_EQ(json.at("settings"), (Json{{"data", "toy.jsonl"},
                                       {"data_sha256", "aa"},
                                       {"limit", 10},
                                       {"samples", 3},
                                       {"temperature", 3.0},
                                       {"greedy", false},
                                       {"max_new_tokens", 12},
                                       {"seed", 4},
                                       {"prompt_sha256", bed_.prompts.Sha256()},
                                       {"reward", "exact"},
                                       {"threads", 1}}));
  long long right = 0, strict = 0, flexible = 0, cut = 0;
  ASSERT_EQ(json.at("problems").size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) {
    const Json& problem = json.at("problems")[i];
    EXPECT_EQ(problem.at("id"), bed_.problems[i].id);
    EXPECT_EQ(problem.at("question"), bed_.problems[i].question);
    EXPECT_EQ(problem.at("gold"), bed_.problems[i].answer);
    ASSERT_EQ(problem.at("samples").size(), 3u);
    for (const Json& sample : problem.at("samples")) {
      EXPECT_TRUE(sample.at("completion").is_string());
      EXPECT_TRUE(sample.at("extracted").is_string() || sample.at("extracted").is_null());
      EXPECT_GT(sample.at("tokens").get<int>(), 0);
      EXPECT_GT(sample.at("seconds").get<double>(), 0);
      right += sample.at("correct").get<bool>();
      strict += sample.at("strict").get<bool>();
      flexible += sample.at("flexible").get<bool>();
      cut += sample.at("finish_reason") == "length";
    }
  }
  const Json& summary = json.at("summary");
  EXPECT_GT(right, 0);
  EXPECT_EQ(summary.at("correct"), right);
  EXPECT_EQ(summary.at("total"), 30);
  EXPECT_EQ(summary.at("accuracy"), static_cast<double>(right) / 30);
  EXPECT_EQ(summary.at("wilson95")[0], Wilson(right, 30)->low);
  EXPECT_EQ(summary.at("wilson95")[1], Wilson(right, 30)->high);
  EXPECT_EQ(summary.at("strict_accuracy"), static_cast<double>(strict) / 30);
  EXPECT_EQ(summary.at("flexible_accuracy"), static_cast<double>(flexible) / 30);
  EXPECT_EQ(summary.at("truncated_fraction"), static_cast<double>(cut) / 30);
  EXPECT_EQ(summary.at("load_seconds"), 0.25);
  EXPECT_EQ(summary.at("model_bytes"), 99);
  EXPECT_GT(summary.at("peak_rss_bytes").get<double>(), 1e6);
  EXPECT_GT(summary.at("tokens_per_second").get<double>(), 0);
  EXPECT_GT(summary.at("mean_generation_seconds").get<double>(), 0);
}

TEST_F(Bench, AddsLevelsPassAtKAndTheMajority) {
  Evaluation evaluation;
  const auto add = [&](int level, const std::vector<std::pair<const char*, bool>>& answers) {
    ProblemRecord record;
    record.id = std::to_string(evaluation.problems.size());
    record.level = level;
    for (const auto& [extracted, correct] : answers) {
      AnswerRecord answer;
      if (*extracted != 0) answer.extracted = extracted;
      answer.correct = correct;
      record.samples.push_back(answer);
    }
    evaluation.problems.push_back(record);
  };
  add(1, {{"5", false}, {"7", true}, {"7", true}, {"", false}});
  add(2, {{"", false}, {"", false}, {"3", true}, {"4", false}});  // 3 and 4 tie, 3 came first
  add(2, {{"1", false}, {"1", false}, {"2", true}, {"", false}});
  EvaluateSettings settings;
  settings.samples = 4;
  const Json summary = BenchJson(evaluation, settings, {}).at("summary");
  EXPECT_EQ(summary.at("correct"), 4);
  EXPECT_EQ(summary.at("total"), 12);
  EXPECT_EQ(summary.at("problems"), 3);
  EXPECT_EQ(summary.at("levels").at("1"), (Json{{"accuracy", 0.5}, {"total", 1}}));
  EXPECT_EQ(summary.at("levels").at("2"), (Json{{"accuracy", 0.25}, {"total", 2}}));
  EXPECT_DOUBLE_EQ(summary.at("majority_accuracy").get<double>(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(summary.at("pass_at_k").at("1").get<double>(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(summary.at("pass_at_k").at("2").get<double>(), (5.0 / 6 + 0.5 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(summary.at("pass_at_k").at("4").get<double>(), 1);
  EXPECT_FALSE(summary.at("pass_at_k").contains("3"));
  EXPECT_EQ(summary.at("interval95")[0],
            TInterval(std::vector<double>{0.5, 0.25, 0.25})->interval.low);
  EXPECT_TRUE(summary.at("tokens_per_second").is_null());  // nothing was generated
}

TEST_F(Bench, MeasuresTheFirstProblemsAndTakesShotsFromTheEnd) {
  settings_.limit = 4;
  settings_.prompt.num_fewshot = 2;
  Json json = Results();
  ASSERT_EQ(json.at("problems").size(), 4u);
  EXPECT_EQ(json.at("problems")[3].at("id"), "p3");
  settings_.limit = 0;
  json = Results();
  ASSERT_EQ(json.at("problems").size(), 10u);
  EXPECT_TRUE(json.at("settings").at("limit").is_null());
  EXPECT_NE(json.at("settings").at("prompt_sha256"), bed_.prompts.Sha256());
}

TEST_F(Bench, RecordsSurviveWritingAndReading) {
  const Evaluation evaluation = bed_.Run();
  std::vector<ProblemRecord> back;
  for (const ProblemRecord& record : evaluation.problems) {
    const std::string line = WriteJson(ProblemRecordJson(record));
    back.push_back(*ParseProblemRecord(*ParseJson(line, "line"), "line"));
    for (std::size_t s = 0; s < record.samples.size(); ++s) {
      EXPECT_EQ(back.back().samples[s].seconds, record.samples[s].seconds);
    }
  }
  ExpectSameRecords(back, evaluation.problems);
}

TEST_F(Bench, GoesOnWhereAnInterruptedOneStopped) {
  const Json expected = WithoutTimes(Results());
  UseOut();
  Interrupt(5);
  threads_ = 2;  // neither threads nor batch make it another bench
  settings_.evaluate.max_batch = 64;
  EXPECT_EQ(Generated(), 7);
  EXPECT_FALSE(std::filesystem::exists(Partial()));
  const Json written = *ParseJson(*ReadFile(settings_.out), "out");
  EXPECT_EQ(WithoutTimes(written), expected);
  EXPECT_EQ(Generated(), 12);  // a finished bench is measured again
}

TEST_F(Bench, DropsATornLineOfThePartialFile) {
  const Json expected = WithoutTimes(Results());
  UseOut();
  Interrupt(5);
  const auto size = std::filesystem::file_size(Partial());
  std::filesystem::resize_file(Partial(), size - 20);
  EXPECT_EQ(Generated(), 8);
  EXPECT_EQ(WithoutTimes(*ParseJson(*ReadFile(settings_.out), "out")), expected);
}

TEST_F(Bench, StopsTrustingThePartialFileAtADamagedLine) {
  UseOut();
  Interrupt(5);
  std::string text = *ReadFile(Partial());
  for (const char* damage : {"{}", "{\"index\":0}", "not json", "{\"index\":-1}", "[]",
                             "{\"index\":99,\"id\":\"p0\",\"question\":\"\",\"gold\":\"\","
                             "\"samples\":[]}",
                             "{\"index\":0,\"id\":\"other\",\"question\":\"\",\"gold\":\"\","
                             "\"samples\":[]}"}) {
    const std::string header = text.substr(0, text.find('\n') + 1);
    ASSERT_TRUE(WriteFileAtomic(Partial(), header + damage + text.substr(header.size() - 1)));
    EXPECT_EQ(Generated(), 12) << damage;
  }
}

TEST_F(Bench, RefusesThePartialFileOfAnotherBenchNamingWhatDiffers) {
  UseOut();
  const auto original = settings_;
  const auto facts = facts_;
  const std::vector<std::pair<std::string, std::function<void()>>> changes = {
      {"seed", [&] { settings_.evaluate.seed = 5; }},
      {"temperature", [&] { settings_.evaluate.temperature = 2.5; }},
      {"max_new_tokens", [&] { settings_.evaluate.max_new_tokens = 11; }},
      {"samples", [&] { settings_.evaluate.samples = 2; }},
      {"stop", [&] { settings_.evaluate.stop = {"\n"}; }},
      {"prompt", [&] { settings_.prompt.system = "Be brief."; }},
      {"reward", [&] { settings_.reward = "math"; }},
      {"model", [&] { facts_.model_sha256 = "01"; }},
      {"data", [&] { facts_.data_sha256 = "ab"; }},
  };
  for (const auto& [name, change] : changes) {
    settings_ = original;
    facts_ = facts;
    std::filesystem::remove(settings_.out);
    std::filesystem::remove(Partial());
    Interrupt(3);
    change();
    const auto refused = Run();
    ASSERT_FALSE(refused.has_value()) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kNoCheckpoint);
    EXPECT_NE(refused.error().message.find("(" + name + " differ)"), std::string::npos)
        << refused.error().message;
  }
}

TEST_F(Bench, RefusesNoProblemsAndSettingsThatCannotWork) {
  settings_.prompt.num_fewshot = 12;
  auto result = Run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  EXPECT_NE(result.error().message.find("12 problems, but 12"), std::string::npos);

  settings_.prompt.num_fewshot = -1;
  settings_.evaluate.samples = -3;
  settings_.limit = -2;
  result = Run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  for (const char* part : {"num_fewshot: got -1", "samples: -3", "limit: -2"}) {
    EXPECT_NE(result.error().message.find(part), std::string::npos) << result.error().message;
  }
  settings_ = {};
  settings_.reward = "gsm8k-strikt";
  result = Run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);

  bed_.problems.clear();
  result = Run();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kBadFile);
  EXPECT_NE(result.error().message.find("toy.jsonl: no problems"), std::string::npos);
}

TEST_F(Bench, RefusesToParseDamagedRecords) {
  const Json good = ProblemRecordJson(bed_.Run().problems[1]);
  ASSERT_TRUE(ParseProblemRecord(good, "here"));
  for (const char* key : {"id", "question", "gold", "samples"}) {
    Json bad = good;
    bad[key] = 7;
    const auto result = ParseProblemRecord(bad, "here");
    ASSERT_FALSE(result) << key;
    EXPECT_EQ(result.error().code, ErrorCode::kBadFile);
    EXPECT_NE(result.error().message.find("here"), std::string::npos);
    EXPECT_NE(result.error().message.find(key), std::string::npos);
  }
  for (const char* key :
       {"completion", "correct", "strict", "flexible", "tokens", "seconds", "finish_reason"}) {
    Json bad = good;
    bad["samples"][0].erase(key);
    const auto result = ParseProblemRecord(bad, "here");
    ASSERT_FALSE(result) << key;
    EXPECT_NE(result.error().message.find(key), std::string::npos);
  }
  Json bad = good;
  bad["samples"][0] = 5;
  EXPECT_FALSE(ParseProblemRecord(bad, "here"));
}

TEST_F(Bench, SumsUpInMarkdown) {
  const Json json = Results();
  const std::string text = BenchMarkdown(json, "Toy");
  EXPECT_TRUE(text.starts_with("# Toy\n"));
  EXPECT_NE(text.find("| problems | 12 |"), std::string::npos) << text;
  EXPECT_NE(text.find("| pass@2 |"), std::string::npos) << text;
  EXPECT_NE(text.find("over problems"), std::string::npos) << text;
  Json greedy = json;
  greedy["summary"].erase("interval95");
  EXPECT_NE(BenchMarkdown(greedy, "Toy").find("(Wilson)"), std::string::npos);
}

}  // namespace
}  // namespace pawl
