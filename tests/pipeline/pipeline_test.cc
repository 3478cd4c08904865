// Configurations, gates, checkpoints, and whole small runs with stops in the middle.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "pipeline/config.h"
#include "pipeline/gate.h"
#include "pipeline/pipeline.h"
#include "pipeline/run_directory.h"

namespace pawl {
namespace {
namespace fs = std::filesystem;

// A run on a new tiny model: sft, then grpo.
constexpr const char* kTiny = R"(
[model]
path = "new"
[model.new]
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
num_key_value_heads = 1
intermediate_size = 64
max_position_embeddings = 160
vocab_size = 320
[lora]
enabled = false
[defaults]
per_device_train_batch_size = 2
gradient_accumulation_steps = 1
num_generations = 4
max_completion_length = 12
learning_rate = 1e-3
eval_steps = 2
save_steps = 2
[[stage]]
name = "first"
method = "sft"
level_mix = [1, 0, 0]
tokens_per_batch = 200
max_steps = 5
[[stage]]
name = "second"
level = 1
max_samples = 20
max_steps = 4
[[reward]]
name = "length"
max_tokens = 12
cache_tokens = 8
[gate]
rule = "threshold"
problems = 4
[benchmark]
limit = 6
samples = 2
validation = 4
[run]
seed = 3
)";

fs::path TempFolder(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("pawl-pipeline-test-" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

fs::path WriteConfigFile(const fs::path& folder, const std::string& text) {
  std::ofstream(folder / "tiny.toml") << text;
  return folder / "tiny.toml";
}

std::string MessageOf(const std::string& text, const std::vector<std::string>& sets = {}) {
  const auto config = ParseConfig(text, "test.toml", sets);
  EXPECT_FALSE(config.has_value());
  return config ? std::string() : config.error().message;
}

TEST(Config, RoundTripsThroughItsResolvedForm) {
  const auto config =
      ParseConfig(kTiny, "test.toml", {"stage.second.learning_rate=2.5e-05", "run.seed=9"});
  ASSERT_TRUE(config.has_value()) << config.error().message;
  const std::string resolved = WriteConfig(*config);
  const auto again = ParseConfig(resolved, "resolved", {});
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(WriteConfig(*again), resolved);
  EXPECT_EQ(again->stages[1].learning_rate, 2.5e-05);
  EXPECT_EQ(again->run.seed, 9u);
  EXPECT_EQ(again->stages[1].num_generations, 4);
}

TEST(Config, ReportsEveryProblemAtOnceWithTheNearestKey) {
  std::string text = kTiny;
  text.replace(text.find("learning_rate"), 13, "learning_rat");
  text.replace(text.find("num_generations = 4"), 19, "num_generations = 1");
  text += "\n[gates]\nrule = \"x\"\n";
  const std::string message = MessageOf(text, {"stage.nobody.beta=1", "run.time_limit=soon"});
  EXPECT_NE(message.find("did you mean \"learning_rate\"?"), std::string::npos) << message;
  EXPECT_NE(message.find("num_generations: got 1"), std::string::npos) << message;
  EXPECT_NE(message.find("did you mean \"gate\"?"), std::string::npos) << message;
  EXPECT_NE(message.find("no stage \"nobody\""), std::string::npos) << message;
  EXPECT_NE(message.find("time_limit"), std::string::npos) << message;
}

TEST(Config, RefusesContradictionsAndWrongTypes) {
  EXPECT_NE(MessageOf("x = [", {}).find("line"), std::string::npos);
  EXPECT_NE(MessageOf("").find("[[stage]]"), std::string::npos);
  EXPECT_NE(MessageOf(kTiny, {"stage.second.name=first"}).find("used twice"), std::string::npos);
  EXPECT_NE(MessageOf(kTiny, {"stage.second.level=7"}).find("1 to 3"), std::string::npos);
  EXPECT_NE(MessageOf(kTiny, {"defaults.temperature=nan"}).find("temperature"), std::string::npos);
  EXPECT_NE(MessageOf(kTiny, {"data.source=files"}).find("data.train"), std::string::npos);
  EXPECT_NE(MessageOf(kTiny, {"lora.enabled=true"}).find("lora.enabled"), std::string::npos);
  EXPECT_NE(MessageOf(kTiny, {"stage.second.beta=0.1"}).find("no base"), std::string::npos);
  EXPECT_NE(MessageOf(kTiny, {"model.new.num_attention_heads=3"}).find("divide"),
            std::string::npos);
  EXPECT_NE(MessageOf(kTiny, {"prompt.template=hello"}).find("{question}"), std::string::npos);
}

TEST(ThresholdGate, ComparesIntegersExactly) {
  GateSection config;
  config.problems = 50;
  config.max_drop = 2;
  const auto decide = [&](int losses, int wins) {
    const auto gate = MakeGate(config, 1, 0.5);
    for (int i = 0; i < 50; ++i) {
      gate->Add(i < losses          ? PairedOutcome{1, 0}
                : i < losses + wins ? PairedOutcome{0, 1}
                                    : PairedOutcome{1, 1});
    }
    return gate->Decide(false);
  };
  EXPECT_EQ(decide(1, 0), GateDecision::kAccept);  // exactly 2 points is not more than 2
  EXPECT_EQ(decide(2, 0), GateDecision::kRollback);
  EXPECT_EQ(decide(5, 4), GateDecision::kAccept);
  const auto gate = MakeGate(config, 1, 0.5);
  gate->Add({1, 1});
  EXPECT_EQ(gate->Decide(false), GateDecision::kKeepTesting);
}

TEST(SequentialGate, RollsBackOnEvidenceAcceptsOnEvidenceAndHoldsOtherwise) {
  GateSection config;
  config.rule = "sequential";
  config.max_problems = 100;
  const auto run = [&](double difference, int problems) {
    const auto gate = MakeGate(config, 1, 0.5);
    GateDecision decision = GateDecision::kKeepTesting;
    for (int i = 0; i < problems && decision == GateDecision::kKeepTesting; ++i) {
      gate->Add({0.5, 0.5 + difference});
      decision = gate->Decide(i + 1 == problems);
    }
    return decision;
  };
  EXPECT_EQ(run(-0.5, 100), GateDecision::kRollback);
  EXPECT_EQ(run(0.0, 100),
            GateDecision::kAccept);  // equal models: 72 problems suffice at margin 0.05
  EXPECT_EQ(run(0.0, 30), GateDecision::kHold);
}

TEST(Checkpoints, FallBackToTheLastOneThatIsWholeAndSayWhenNoneIs) {
  const fs::path folder = TempFolder("checkpoints") / "run";
  auto directory = RunDirectory::Open(folder, "x", false);
  ASSERT_TRUE(directory.has_value());
  Checkpoint checkpoint;
  checkpoint.current.parameters = {{1, 2, 3}};
  checkpoint.anchor.parameters = {{4, 5}};
  for (int step = 1; step <= 3; ++step) {
    checkpoint.position = {{"step", step}};
    ASSERT_TRUE(directory->SaveCheckpoint(checkpoint).has_value());
  }
  auto loaded = directory->LoadCheckpoint();
  ASSERT_TRUE(loaded.has_value() && loaded->has_value());
  EXPECT_EQ((*loaded)->position.at("step"), 3);
  EXPECT_EQ((*loaded)->anchor.parameters, checkpoint.anchor.parameters);
  std::ofstream(folder / "state/checkpoint-3/current.safetensors", std::ios::app) << "x";
  loaded = directory->LoadCheckpoint();
  ASSERT_TRUE(loaded.has_value() && loaded->has_value());
  EXPECT_EQ((*loaded)->position.at("step"), 2);
  EXPECT_TRUE(fs::exists(folder / "state/checkpoint-3.bad"));
  fs::remove(folder / "state/checkpoint-2/MANIFEST.json");
  EXPECT_EQ(directory->LoadCheckpoint().error().code, ErrorCode::kNoCheckpoint);
}

TEST(RunDirectory, IsLockedAndRefusesToOverwrite) {
  const fs::path folder = TempFolder("lock") / "run";
  {
    auto first = RunDirectory::Open(folder, "x", false);
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(RunDirectory::Open(folder, "x", true).error().code, ErrorCode::kBusy);
  }
  std::ofstream(folder / "something") << "x";
  EXPECT_EQ(RunDirectory::Open(folder, "x", false).error().code, ErrorCode::kNoCheckpoint);
  EXPECT_TRUE(RunDirectory::Open(folder, "x", true).has_value());
}

struct Machine {
  ThreadPool pool;
  Compute compute;
  explicit Machine(int threads) : pool(threads), compute(pool) {}
};

Result<RunOutcome> RunTiny(const fs::path& config, const fs::path& folder, int threads, bool resume,
                           const std::atomic<int>* signal = nullptr,
                           const std::vector<std::string>& sets = {}) {
  Machine machine(threads);
  RunOptions options;
  options.config = config;
  options.run_dir = folder;
  options.resume = resume;
  options.quiet = true;
  options.signal = signal;
  options.sets = sets;
  return RunPipeline(options, machine.compute);
}

std::string Bytes(const fs::path& file) {
  return ReadFile(file).value_or("missing: " + file.string());
}

void ExpectSameRun(const fs::path& a, const fs::path& b) {
  for (const char* file :
       {"final_model/model.safetensors", "stages/first/best/model.safetensors",
        "stages/second/rollouts.jsonl", "stages/second/final_model/model.safetensors"}) {
    EXPECT_EQ(Bytes(a / file), Bytes(b / file)) << file;
  }
}

TEST(Pipeline, GivesTheSameBytesWithAnyThreadCountAndAfterAnyNumberOfStops) {
  const fs::path folder = TempFolder("whole");
  const fs::path config = WriteConfigFile(folder, kTiny);
  const auto whole = RunTiny(config, folder / "whole", 2, false);
  ASSERT_TRUE(whole.has_value()) << whole.error().message;
  EXPECT_EQ(whole->exit_code, 0);
  EXPECT_NE(Bytes(folder / "whole/rollouts"), Bytes(folder / "whole/stages/second/rollouts.jsonl"));

  // A signal that is always set stops the run at every point where it looks; each start goes one
  // step further at most, so the run is begun again until it is through.
  std::atomic<int> signal{15};
  int stops = 0;
  for (bool done = false; !done && stops < 60; ++stops) {
    // Alternate: stop at the first look, or let it run for a while by clearing the signal from a
    // thread.
    if (stops % 2 == 0) {
      const auto part = RunTiny(config, folder / "parts", 1 + stops % 3, true, &signal);
      ASSERT_TRUE(part.has_value()) << part.error().message;
      EXPECT_EQ(part->exit_code, 143);
    } else {
      const auto part = RunTiny(config, folder / "parts", 2, true);
      ASSERT_TRUE(part.has_value()) << part.error().message;
      done = part->exit_code == 0;
    }
  }
  EXPECT_GE(stops, 2);
  ExpectSameRun(folder / "whole", folder / "parts");
}

TEST(Pipeline, RefusesToResumeWithOtherSettingsAndNamesThem) {
  const fs::path folder = TempFolder("changed");
  const fs::path config = WriteConfigFile(folder, kTiny);
  std::atomic<int> signal{0};
  ASSERT_TRUE(RunTiny(config, folder / "run", 1, false, &signal).has_value());
  const auto changed =
      RunTiny(config, folder / "run", 1, true, nullptr, {"stage.second.learning_rate=1e-4"});
  ASSERT_FALSE(changed.has_value());
  EXPECT_EQ(changed.error().code, ErrorCode::kUsage);
  EXPECT_NE(changed.error().message.find("learning_rate"), std::string::npos);
}

TEST(Pipeline, RollsAStageThatCollapsesBackAndSaysSo) {
  const fs::path folder = TempFolder("rollback");
  std::string text = kTiny;
  // The first stage learns to answer a little; the second destroys it with an absurd learning rate.
  const fs::path config = WriteConfigFile(folder, text);
  const auto run =
      RunTiny(config, folder / "run", 2, false, nullptr,
              {"stage.second.learning_rate=50", "gate.max_drop=0", "gate.max_retries=1"});
  ASSERT_TRUE(run.has_value()) << run.error().message;
  const auto summary = ParseJson(Bytes(folder / "run/summary.json"), "summary");
  ASSERT_TRUE(summary.has_value());
  const std::string decision = summary->at("stages")[1].at("decision").get<std::string>();
  const auto gate = ParseJson(Bytes(folder / "run/stages/second/gate.json"), "gate");
  ASSERT_TRUE(gate.has_value());
  // Whatever the gate decided, the run's model is the last accepted one.
  const fs::path expected =
      decision == "accept" ? "stages/second/final_model" : "stages/first/final_model";
  EXPECT_EQ(Bytes(folder / "run/final_model/model.safetensors"),
            Bytes(folder / "run" / expected / "model.safetensors"));
  EXPECT_EQ(gate->at("attempts").size(),
            summary->at("stages")[1].at("attempts").get<std::size_t>());
}

// beta's KL is measured against the model as loaded, also where every weight is trained.
TEST(Pipeline, MeasuresTheKlAgainstTheLoadedModel) {
  const fs::path folder = TempFolder("kl");
  const fs::path config = WriteConfigFile(folder, kTiny);
  ASSERT_TRUE(RunTiny(config, folder / "base", 2, false).has_value());
  const auto run = RunTiny(config, folder / "run", 2, false, nullptr,
                           {"model.path=" + (folder / "base/final_model").string(),
                            "stage.second.beta=0.1", "stage.second.learning_rate=1e-2"});
  ASSERT_TRUE(run.has_value()) << run.error().message;
  // The sft stage has moved the weights already, so even the first step is away from the reference.
  std::ifstream metrics(folder / "run/stages/second/metrics.jsonl");
  int steps = 0;
  for (std::string line; std::getline(metrics, line);) {
    const auto step = ParseJson(line, "metrics");
    ASSERT_TRUE(step.has_value());
    if (!step->contains("loss")) continue;  // a validation
    ++steps;
    EXPECT_GT(step->at("kl").get<double>(), 0) << line;
  }
  EXPECT_EQ(steps, 4);
}

TEST(Pipeline, TrainsALoraAdapterOnAModelFolder) {
  const fs::path folder = TempFolder("lora");
  const fs::path config = WriteConfigFile(folder, kTiny);
  ASSERT_TRUE(RunTiny(config, folder / "base", 2, false).has_value());
  const auto run = RunTiny(
      config, folder / "lora", 2, false, nullptr,
      {"model.path=" + (folder / "base/final_model").string(), "lora.enabled=true", "lora.r=4"});
  ASSERT_TRUE(run.has_value()) << run.error().message;
  EXPECT_TRUE(fs::exists(folder / "lora/final_model/adapter_model.safetensors"));
  EXPECT_TRUE(fs::exists(folder / "lora/final_model/base.json"));
  EXPECT_FALSE(fs::exists(folder / "lora/final_model/model.safetensors"));
}

}  // namespace
}  // namespace pawl
