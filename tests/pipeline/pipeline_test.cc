// Whole small runs: what they leave behind, and what happens when things go wrong.
#include "pipeline/pipeline.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "report/report.h"
#include "tiny_run.h"

namespace pawl {
namespace {
namespace fs = std::filesystem;

Json Stage(const Json& summary, std::size_t index) { return summary.at("stages").at(index); }

TEST(Pipeline, LeavesEverythingThatTheContractNames) {
  const fs::path run = TempFolder("whole") / "run";
  const auto outcome = RunTiny(run, {.threads = 2});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(outcome->exit_code, 0);
  for (const char* file :
       {"config.resolved.toml", "environment.json", "summary.json", "report.md", "report.html",
        "final_model/config.json", "final_model/model.safetensors", "final_model/tokenizer.json",
        "final_model/README.md"}) {
    EXPECT_TRUE(fs::exists(run / file)) << file;
  }
  for (const char* stage : {"first", "second"}) {
    for (const char* file :
         {"training.log", "training_config.json", "training_summary.json", "metrics.jsonl",
          "rollouts.jsonl", "gate.json", "best/model.safetensors", "best/README.md",
          "final_model/model.safetensors"}) {
      EXPECT_TRUE(fs::exists(run / "stages" / stage / file)) << stage << " " << file;
    }
  }
  int results = 0, summaries = 0;
  for (const auto& entry : fs::directory_iterator(run / "benchmark")) {
    const std::string name = entry.path().filename().string();
    results += name.find("_benchmark_results_") != std::string::npos ? 1 : 0;
    summaries += name.find("_benchmark_summary_") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(results, 4);  // base and final, greedy and sampled
  EXPECT_EQ(summaries, 4);
  const Json summary = ReadJsonFile(run / "summary.json");
  EXPECT_EQ(summary.at("format_version"), 1);
  EXPECT_EQ(summary.at("exit_reason"), "finished");
  EXPECT_EQ(summary.at("seed"), 3);
  for (const char* side : {"base", "final"}) {
    EXPECT_EQ(summary.at(side).at("total"), 6);
    EXPECT_EQ(summary.at(side).at("samples"), 2);
    EXPECT_TRUE(summary.at(side).at("wilson95").is_array());
  }
  ASSERT_EQ(summary.at("stages").size(), 2u);
  EXPECT_EQ(Stage(summary, 0).at("method"), "sft");
  EXPECT_EQ(Stage(summary, 1).at("steps"), 4);
  const Json settings = ReadJsonFile(run / "stages/second/training_config.json");
  EXPECT_EQ(settings.at("beta"), 0.01);
  EXPECT_EQ(settings.at("steps"), 4);
  // The report is a function of the records alone.
  const std::string report = ReadText(run / "report.md");
  fs::remove(run / "report.md");
  ASSERT_TRUE(WriteReports(run).has_value());
  EXPECT_EQ(ReadText(run / "report.md"), report);
}

TEST(Pipeline, RecordsEveryStepAndEveryCompletionOnce) {
  const fs::path run = TempFolder("records") / "run";
  ASSERT_TRUE(RunTiny(run).has_value());
  std::vector<int> steps, validations;
  const Status read = ForEachLine(
      ReadText(run / "stages/second/metrics.jsonl"),
      [&](std::string_view line, std::size_t) -> Status {
        PAWL_ASSIGN(const Json json, ParseJson(line, "metrics"));
        (json.contains("eval_accuracy") ? validations : steps).push_back(json.at("step"));
        return {};
      });
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(steps, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(validations, (std::vector<int>{0, 2, 4}));
  const std::string rollouts = ReadText(run / "stages/second/rollouts.jsonl");
  EXPECT_EQ(std::count(rollouts.begin(), rollouts.end(), '\n'), 4 * 2 * 4);
  EXPECT_EQ(rollouts.find("seconds"), std::string::npos);
}

// The first stage learns to write "#### n"; the reward asks for just that.
TinyOptions Formatted(std::vector<std::string> sets) {
  TinyOptions tiny;
  tiny.text.replace(tiny.text.find("name = \"length\""), 15, "name = \"format\"");
  tiny.sets = {"stage.first.styles_basic=[0, 1, 0, 0]",
               "stage.first.max_steps=60",
               "stage.first.learning_rate=1e-2",
               "stage.first.eval_steps=0",
               "model.new.max_position_embeddings=200",
               "reward.format.max_tokens=0",
               "reward.format.cache_tokens=0",
               "gate.problems=12",
               "gate.max_drop=0",
               "stage.second.method=sft"};
  tiny.sets.insert(tiny.sets.end(), sets.begin(), sets.end());
  return tiny;
}

TEST(Pipeline, RollsBackAStageThatCollapsesTriesAgainAndGoesOnFromTheAnchor) {
  const fs::path run = TempFolder("rollback") / "run";
  const auto outcome = RunTiny(run, Formatted({"stage.second.learning_rate=300"}));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  const Json summary = ReadJsonFile(run / "summary.json");
  ASSERT_EQ(Stage(summary, 0).at("decision"), "accept") << summary;
  ASSERT_EQ(Stage(summary, 1).at("decision"), "rollback") << summary;
  EXPECT_EQ(Stage(summary, 1).at("attempts"), 2);
  EXPECT_GT(Stage(summary, 1).at("gate_accuracy_before").get<double>(),
            Stage(summary, 1).at("gate_accuracy_after").get<double>());
  const Json gate = ReadJsonFile(run / "stages/second/gate.json");
  ASSERT_EQ(gate.at("attempts").size(), 2u);
  EXPECT_EQ(gate.at("attempts")[0].at("learning_rate"), 300.0);
  EXPECT_EQ(gate.at("attempts")[1].at("learning_rate"), 150.0);
  EXPECT_EQ(ReadText(run / "final_model/model.safetensors"),
            ReadText(run / "stages/first/final_model/model.safetensors"));
  EXPECT_NE(ReadText(run / "final_model/model.safetensors"),
            ReadText(run / "stages/second/final_model/model.safetensors"));
}

TEST(Pipeline, StopsAtARejectionOnlyWhenAskedTo) {
  const fs::path run = TempFolder("reject") / "run";
  const auto outcome =
      RunTiny(run, Formatted({"stage.second.learning_rate=300", "gate.on_reject=stop"}));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(outcome->exit_code, 7);
  EXPECT_EQ(Stage(ReadJsonFile(run / "summary.json"), 1).at("attempts"), 1);
}

TEST(Pipeline, StopsAtAGateOnlyWhenAskedTo) {
  const fs::path run = TempFolder("gatestop") / "run";
  // A gate of the fixed rule cannot tell four problems apart: it holds.
  const TinyOptions tiny{.sets = {"gate.rule=fixed", "gate.on_inconclusive=stop"}};
  const auto outcome = RunTiny(run, tiny);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(outcome->exit_code, 7);
  const Json summary = ReadJsonFile(run / "summary.json");
  EXPECT_EQ(summary.at("exit_reason"), "gate_stop");
  EXPECT_EQ(Stage(summary, 0).at("decision"), "hold");
  EXPECT_EQ(Stage(summary, 1).at("decision"), "skipped");
  EXPECT_EQ(Stage(summary, 1).at("attempts"), 0);
  const auto again = RunTiny(run, {.resume = true, .sets = tiny.sets});
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->exit_code, 7);
  EXPECT_NE(again->text.find("finished already"), std::string::npos);
}

// `correct` is what the first reward says: here, answers of up to four tokens.
TEST(Pipeline, ADifficultyFilterKeepsProblemsByTheirPassRate) {
  const fs::path folder = TempFolder("filter");
  const auto run = [&](const char* name, std::vector<std::string> sets) {
    const auto outcome = RunTiny(folder / name, {.sets = std::move(sets)});
    EXPECT_TRUE(outcome.has_value()) << outcome.error().message;
    return ReadJsonFile(folder / name / "summary.json");
  };
  const auto logged = [&](const char* name) {
    return ReadText(folder / name / "stages/second/training.log");
  };
  const Json some = run("some", {"stage.second.min_pass_rate=0.1", "stage.second.max_pass_rate=0.8",
                                 "stage.second.max_samples=30"});
  EXPECT_NE(logged("some").find("of 30 problems have a pass rate from 0.1 to 0.8"),
            std::string::npos)
      << logged("some");
  EXPECT_EQ(logged("some").find(" 0 of 30"), std::string::npos) << logged("some");
  EXPECT_EQ(logged("some").find("30 of 30"), std::string::npos) << logged("some");
  const Json none = run("none", {"stage.second.min_pass_rate=1", "stage.second.filter_samples=64"});
  EXPECT_EQ(Stage(none, 1).at("decision"), "skipped") << logged("none");
  EXPECT_EQ(none.at("exit_reason"), "finished");
}

TEST(Pipeline, AsksTwiceAsManyProblemsAfterTwoHoldsInARow) {
  const fs::path run = TempFolder("holds") / "run";
  // Fifteen problems can never show that equal models are equal.
  std::string text = kTiny;
  for (const char* name : {"third", "fourth"}) {
    text += fmt::format("[[stage]]\nname = \"{}\"\nlevel = 1\nmax_steps = 1\n", name);
  }
  const auto outcome = RunTiny(
      run,
      {.sets = {"gate.rule=sequential", "gate.max_problems=15", "gate.samples=1"}, .text = text});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  const int budgets[] = {15, 15, 30, 30};
  const char* names[] = {"first", "second", "third", "fourth"};
  for (int i = 0; i < 4; ++i) {
    const Json gate = ReadJsonFile(run / "stages" / names[i] / "gate.json");
    EXPECT_EQ(gate.at("decision"), "hold");
    EXPECT_EQ(gate.at("budget"), budgets[i]) << i;
    EXPECT_EQ(gate.at("problems"), budgets[i]) << i;
  }
}

TEST(Pipeline, GivesUpAfterThreeUndoneStepsWithTheLastGoodModel) {
  const fs::path run = TempFolder("unhealthy") / "run";
  // Decay multiplies the weights by -10^6 a step: they overflow before the stage ends.
  const auto outcome =
      RunTiny(run, {.sets = {"stage.second.method=sft", "stage.second.max_steps=20",
                             "stage.second.learning_rate=1000", "stage.second.weight_decay=1000",
                             "stage.second.lr_scheduler_type=constant"}});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(outcome->exit_code, 6);
  const Json summary = ReadJsonFile(run / "summary.json");
  EXPECT_EQ(summary.at("exit_reason"), "unhealthy");
  EXPECT_EQ(Stage(summary, 1).at("decision"), "rollback");
  EXPECT_EQ(ReadJsonFile(run / "stages/second/training_summary.json").at("unhealthy_steps"), 4);
  const std::string metrics = ReadText(run / "stages/second/metrics.jsonl");
  EXPECT_NE(metrics.find("\"unhealthy\":4"), std::string::npos);
  EXPECT_EQ(ReadText(run / "final_model/model.safetensors"),
            ReadText(run / "stages/first/final_model/model.safetensors"));
}

TEST(Pipeline, ATrippedStepIsLeftOutTheNextUndoneAndThenTheRunEnds) {
  const fs::path run = TempFolder("tripwire") / "run";
  // Every step is over the bound: one is left out, one undone, and again from the healthy state.
  const auto outcome = RunTiny(run, {.sets = {"health.min_entropy=50", "health.max_undos=2"}});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(outcome->exit_code, 6);
  const Json summary = ReadJsonFile(run / "summary.json");
  EXPECT_EQ(summary.at("exit_reason"), "unhealthy");
  EXPECT_EQ(Stage(summary, 1).at("decision"), "rollback");
  const std::string metrics = ReadText(run / "stages/second/metrics.jsonl");
  EXPECT_NE(metrics.find("\"tripped\":\"entropy"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("\"reason\":\"entropy"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("\"unhealthy\":3"), std::string::npos) << metrics;
  // Nothing of it reached the weights.
  EXPECT_EQ(ReadText(run / "final_model/model.safetensors"),
            ReadText(run / "stages/first/final_model/model.safetensors"));
}

// Collapse is seen at step 2, not after all eight steps.
TEST(Pipeline, TheThresholdRuleLooksWithinAStageToo) {
  const fs::path run = TempFolder("checks") / "run";
  const auto outcome =
      RunTiny(run, Formatted({"stage.second.learning_rate=300", "gate.check_steps=2",
                              "stage.second.max_steps=8", "gate.max_retries=0"}));
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  const Json summary = ReadJsonFile(run / "summary.json");
  ASSERT_EQ(Stage(summary, 1).at("decision"), "rollback") << summary;
  EXPECT_LT(Stage(summary, 1).at("steps"), 8);
  EXPECT_LT(ReadJsonFile(run / "stages/second/gate.json").at("step"), 8);
  EXPECT_NE(ReadText(run / "stages/second/training.log").find("check at step 2: "),
            std::string::npos);
  EXPECT_EQ(ReadText(run / "final_model/model.safetensors"),
            ReadText(run / "stages/first/final_model/model.safetensors"));
}

// A stage that its gate rejects is tried in parts before it is given up.
TEST(Pipeline, TriesTheSoupBeforeItGivesAStageUp) {
  const fs::path run = TempFolder("soup") / "run";
  const auto outcome = RunTiny(
      run, {.sets = {"gate.rule=fixed", "gate.soup=[0.5, 0.25]", "gate.on_inconclusive=keep"}});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  const Json gate = ReadJsonFile(run / "stages/second/gate.json");
  ASSERT_EQ(gate.at("decision"), "hold");  // four problems cannot tell anything
  ASSERT_EQ(gate.at("soup").size(), 2u);
  EXPECT_EQ(gate.at("soup")[0].at("fraction"), 0.5);
  EXPECT_EQ(gate.at("soup")[1].at("decision"), "hold");
}

TEST(Pipeline, EndsInTimeAndSaysWhy) {
  const fs::path run = TempFolder("time") / "run";
  const auto outcome = RunTiny(run, {.sets = {"run.time_limit=0.001s"}});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(outcome->exit_code, 0);
  const Json summary = ReadJsonFile(run / "summary.json");
  EXPECT_EQ(summary.at("exit_reason"), "time_limit");
  for (const Json& stage : summary.at("stages")) EXPECT_EQ(stage.at("decision"), "skipped");
  EXPECT_EQ(summary.at("base").at("correct"), summary.at("final").at("correct"));
}

TEST(Pipeline, StopsEarlyWhenValidationStopsRising) {
  const fs::path run = TempFolder("early") / "run";
  // With this reward no answer is right: validations at steps 2 and 4 tie.
  const auto outcome = RunTiny(
      run, {.sets = {"stage.second.max_steps=12", "stage.second.early_stopping_patience=1"}});
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_EQ(Stage(ReadJsonFile(run / "summary.json"), 1).at("steps"), 4);
  EXPECT_EQ(ReadJsonFile(run / "stages/second/training_config.json").at("steps"), 12);
}

TEST(Pipeline, TrainsALoraAdapterOnAModelFolderWithItsKlReference) {
  const fs::path folder = TempFolder("lora");
  ASSERT_TRUE(RunTiny(folder / "base").has_value());
  const fs::path base = folder / "base/final_model";
  const std::string text = ReadText(base / "model.safetensors");
  const auto run = RunTiny(
      folder / "lora", {.sets = {"model.path=" + base.string(), "lora.enabled=true", "lora.r=4"}});
  ASSERT_TRUE(run.has_value()) << run.error().message;
  for (const char* file : {"adapter_model.safetensors", "adapter_config.json", "base.json",
                           "tokenizer.json", "README.md"}) {
    EXPECT_TRUE(fs::exists(folder / "lora/final_model" / file)) << file;
  }
  EXPECT_FALSE(fs::exists(folder / "lora/final_model/model.safetensors"));
  EXPECT_EQ(ReadText(base / "model.safetensors"), text);
  // The reference is the adapter at the stage's start: no difference before the first update, one
  // after it, though the first stage has moved the adapter away from the base.
  std::vector<double> kl;
  const Status read = ForEachLine(ReadText(folder / "lora/stages/second/metrics.jsonl"),
                                  [&](std::string_view line, std::size_t) -> Status {
                                    PAWL_ASSIGN(const Json json, ParseJson(line, "metrics"));
                                    if (json.contains("kl")) kl.push_back(json.at("kl"));
                                    return {};
                                  });
  ASSERT_TRUE(read.has_value());
  ASSERT_EQ(kl.size(), 4u);
  EXPECT_EQ(kl.front(), 0.0);
  EXPECT_GT(kl.back(), 0.0);
  // A run's folder is a model: it goes on from the adapter.
  const auto next =
      RunTiny(folder / "next", {.sets = {"model.path=" + (folder / "lora/final_model").string(),
                                         "lora.enabled=true", "lora.r=4"}});
  ASSERT_TRUE(next.has_value()) << next.error().message;
}

TEST(Pipeline, FullTrainingHasAKlReferenceToo) {
  const fs::path run = TempFolder("fullkl") / "run";
  ASSERT_TRUE(RunTiny(run).has_value());
  const std::string metrics = ReadText(run / "stages/second/metrics.jsonl");
  EXPECT_NE(metrics.find("\"kl\":0.0"), std::string::npos);
  const Json last = *ParseJson(
      [&] {
        std::string line;
        const Status read = ForEachLine(metrics, [&](std::string_view text, std::size_t) -> Status {
          if (text.find("\"kl\"") != std::string_view::npos) line = text;
          return {};
        });
        EXPECT_TRUE(read.has_value());
        return line;
      }(),
      "last");
  EXPECT_GT(last.at("kl"), 0.0);
}

TEST(Pipeline, ADryRunWritesNothing) {
  const fs::path folder = TempFolder("dry");
  WriteText(folder / "tiny.toml", kTiny);
  ThreadPool pool(1);
  const Compute compute(pool);
  RunOptions options;
  options.config = folder / "tiny.toml";
  options.run_dir = folder / "run";
  options.dry_run = true;
  const auto outcome = RunPipeline(options, compute);
  ASSERT_TRUE(outcome.has_value()) << outcome.error().message;
  EXPECT_NE(outcome->text.find("second"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST(Pipeline, ACompletionLimitBeyondTheContextIsSaidBeforeTheRun) {
  const fs::path run = TempFolder("context") / "run";
  const auto outcome = RunTiny(run, {.sets = {"stage.second.max_completion_length=150"}});
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kUsage);
  EXPECT_NE(outcome.error().message.find("exceed the context of 160"), std::string::npos)
      << outcome.error().message;
}

}  // namespace
}  // namespace pawl
