// Configurations: everything wrong is said at once, by full key; resolved files load again.
#include <gtest/gtest.h>

#include "pipeline/run_clock.h"
#include "tiny_run.h"

namespace pawl {
namespace {

RunConfig Parse(const std::string& text, const std::vector<std::string>& sets = {}) {
  auto config = ParseConfig(text, "test.toml", sets);
  if (!config) ADD_FAILURE() << config.error().message;
  return config.value_or(RunConfig());
}

std::string MessageOf(const std::string& text, const std::vector<std::string>& sets = {}) {
  const auto config = ParseConfig(text, "test.toml", sets);
  EXPECT_FALSE(config.has_value());
  if (config) return "";
  EXPECT_EQ(config.error().code, ErrorCode::kUsage);
  return config.error().message;
}

void ExpectIn(const std::string& part, const std::string& message) {
  EXPECT_NE(message.find(part), std::string::npos) << "no \"" << part << "\" in:\n" << message;
}

TEST(Config, RoundTripsThroughItsResolvedForm) {
  const RunConfig config = Parse(
      kTiny, {"stage.second.learning_rate=2.5e-05", "run.seed=9", "defaults.adam_epsilon=1e-9",
              "prompt.system=say \"x\"\\ \n[y]", "stage.second.temperature=0.1", "lora.r=3"});
  const std::string resolved = WriteConfig(config);
  const RunConfig again = Parse(resolved);
  EXPECT_EQ(WriteConfig(again), resolved);
  EXPECT_EQ(again.stages[1].learning_rate, 2.5e-05);
  EXPECT_EQ(again.stages[1].temperature, 0.1);
  EXPECT_EQ(again.defaults.adam_epsilon, 1e-9);
  EXPECT_EQ(again.run.seed, 9u);
  EXPECT_EQ(again.prompt.system, "say \"x\"\\ \n[y]");
  EXPECT_EQ(again.stages[0].level_mix, (std::vector<double>{1, 0, 0}));
}

TEST(Config, ShippedFilesAreValidAndRoundTrip) {
  int files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(PAWL_SOURCE_DIR) / "configs")) {
    if (entry.path().extension() != ".toml") continue;
    const auto config = LoadConfig(entry.path(), {});
    ASSERT_TRUE(config.has_value()) << config.error().message;
    const std::string resolved = WriteConfig(*config);
    EXPECT_EQ(WriteConfig(Parse(resolved)), resolved) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 3);
}

TEST(Config, Int8IsForAdaptersAlone) {
  const std::string text = "[model]\nprecision = \"int8\"\n[[stage]]\nname = \"a\"\nlevel = 1\n";
  EXPECT_EQ(Parse(text).model.precision, "int8");
  ExpectIn("model.precision: \"int8\" weights are frozen", MessageOf(text, {"lora.enabled=false"}));
}

TEST(Config, StagesInheritDefaultsWhereverTheyAreWritten) {
  const RunConfig config = Parse(
      "[[stage]]\nname = \"a\"\nlevel = 1\n[[stage]]\nname = \"b\"\nlevel = 2\nbeta = 0.5\n"
      "[defaults]\nbeta = 0.25\nloss_type = \"grpo\"\n");
  EXPECT_EQ(config.stages[0].beta, 0.25);
  EXPECT_EQ(config.stages[1].beta, 0.5);
  EXPECT_EQ(config.stages[1].loss_type, "grpo");
  EXPECT_EQ(config.rewards.at(0).name, "gsm8k-strict");
}

TEST(Config, ReportsEveryProblemAtOnceWithTheNearestKey) {
  std::string text = kTiny;
  text.replace(text.find("learning_rate"), 13, "learning_rat");
  text.replace(text.find("num_generations = 4"), 19, "num_generations = 1");
  text += "\n[gates]\nrule = \"x\"\n";
  const std::string message = MessageOf(
      text, {"stage.nobody.beta=1", "run.time_limit=soon", "gate.rule=threshhold", "bare"});
  ExpectIn("test.toml: 7 problems", message);
  ExpectIn("defaults.learning_rat: unknown key; did you mean \"learning_rate\"?", message);
  ExpectIn("num_generations: got 1", message);
  ExpectIn("gates: unknown section; did you mean \"gate\"?", message);
  ExpectIn("there is no stage \"nobody\"", message);
  ExpectIn("time_limit: got \"soon\"", message);
  ExpectIn("did you mean \"threshold\"?", message);
  ExpectIn("--set bare: expected key=value", message);
}

TEST(Config, RefusesWrongTypesAndRanges) {
  for (const auto& [set, part] : std::vector<std::pair<std::string, std::string>>{
           {"defaults.temperature=nan", "defaults.temperature: got nan"},
           {"defaults.temperature=-inf", "defaults.temperature"},
           {"defaults.temperature=hot", "defaults.temperature: got \"hot\""},
           {"stage.second.beta=-1", "stage.second.beta: got -1"},
           {"stage.second.max_steps=1.5", "stage.second.max_steps: got 1.5"},
           {"stage.second.max_steps=0", "stage.second.max_steps: got 0"},
           {"stage.second.max_steps=99999999999", "stage.second.max_steps"},
           {"lora.enabled=1", "lora.enabled: got 1, expected true or false"},
           {"run.seed=-1", "run.seed: got -1"},
           {"stage.second.level=7", "the generator has 1 to 3"},
           {"stage.first.level_mix=[1, 2]", "level_mix: expected three shares"},
           {"stage.first.level_mix=[0, 0, 0]", "not all 0"},
           {"stage.first.level_mix=[1, -1, 0]", "level_mix"},
           {"stage.first.styles_basic=[0, 0, 0, 0]", "styles_basic: expected four shares"},
           {"stage.second.epsilon_high=-0.5", "epsilon_high: got -0.5"},
           {"stage.second.name=a/b", "it names a folder"},
           {"model.precision=int4", "model.precision: got \"int4\""},
           {"model=5", "model: expected a table"},
           {"stage=5", "stage: expected a list of tables"},
           {"run.finish_by=25:00", "run.finish_by: got \"25:00\""},
           {"run.time_limit=-3h", "run.time_limit"},
           {"reward.length.max_tokens=many", "max_tokens"},
           {"stage.second=1", "expected stage.<name>.<key>=value"},
           {"lora.r.x=1", "lora.r: got a table"}}) {
    ExpectIn(part, MessageOf(kTiny, {set}));
  }
}

TEST(Config, RefusesContradictions) {
  for (const auto& [sets, part] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"stage.second.name=first"}, "stage.first.name: is used twice"},
           {{"data.source=files"}, "data.train: is missing"},
           {{"data.train=x.jsonl"}, "data.test: is missing"},
           {{"data.source=generator", "data.train=x.jsonl"}, "data.train: contradicts"},
           {{"lora.enabled=true"}, "lora.enabled"},
           {{"model.new.num_attention_heads=3"}, "must divide"},
           {{"prompt.template=hello"}, "{question}"},
           {{"run.time_limit=1h", "run.finish_by=07:00"}, "contradicts run.time_limit"},
           {{"stage.second.level=0"}, "stage.second.level: is missing"},
           {{"stage.second.level_mix=[1,1,1]"}, "level_mix: needs method"},
           {{"stage.first.max_steps=-1"}, "stage.first.max_steps: is missing"},
           {{"stage.second.per_device_train_batch_size=60000",
             "stage.second.gradient_accumulation_steps=2"},
            "exceeds 65536"}}) {
    ExpectIn(part, MessageOf(kTiny, sets));
  }
  ExpectIn("[[stage]]", MessageOf(""));
  ExpectIn("line 1", MessageOf("x = ["));
}

TEST(Config, RefusesFiltersThatLeaveNothingAndReplayThatIsCutOff) {
  ExpectIn("stage.second.min_pass_rate: 0.6 is above max_pass_rate 0.5",
           MessageOf(kTiny, {"stage.second.min_pass_rate=0.6", "stage.second.max_pass_rate=0.5"}));
  ExpectIn("stage.first.min_pass_rate: contradicts level_mix",
           MessageOf(kTiny, {"stage.first.min_pass_rate=0.1"}));
  const std::string text = std::string(kTiny) + "[[stage]]\nname = \"third\"\nlevel = 1\n";
  ExpectIn(
      "stage.third.max_completion_length: 8 is below the 12 of stage second, whose problems it "
      "replays",
      MessageOf(text, {"stage.third.replay=0.1", "stage.third.max_completion_length=8"}));
  ExpectIn("stage.third.max_completion_length: 8 is below",
           MessageOf(text, {"stage.third.replay_end=0.1", "stage.third.max_completion_length=8"}));
}

TEST(Config, SaysWhyNamesThatOtherTrainersKnowAreRefused) {
  for (const char* key : {"top_p", "top_k", "min_p", "repetition_penalty"}) {
    ExpectIn(std::string("stage.second.") + key + ": would sample from another distribution",
             MessageOf(kTiny, {std::string("stage.second.") + key + "=0.5"}));
  }
  ExpectIn("give each [[reward]]", MessageOf(kTiny, {"defaults.reward_weights=[1]"}));
}

TEST(Config, TakesFilesFromTheNameOfAFile) {
  const RunConfig config = Parse(
      "[data]\ntrain = \"a\"\ntest = \"b\"\n[[stage]]\nname = \"x\"\n[run]\nfinish_by = "
      "\"07:00\"\n");
  EXPECT_EQ(config.data.source, "files");
  const RunConfig set = Parse(kTiny, {"run.finish_by=07:00", "reward.length.weight=0.5"});
  EXPECT_EQ(set.run.finish_by, "07:00");
  EXPECT_EQ(set.rewards[0].weight, 0.5);
}

TEST(Config, AMissingFileIsAUsageError) {
  const auto config = LoadConfig("/nowhere/x.toml", {});
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, ErrorCode::kUsage);
  ExpectIn("/nowhere/x.toml", config.error().message);
}

TEST(StageSettings, FollowTheStage) {
  StageConfig stage;
  stage.epsilon = 0.3;
  EXPECT_EQ(ToSettings(stage)->loss.epsilon_high, 0.3);
  stage.epsilon_high = 0.28;
  EXPECT_EQ(ToSettings(stage)->loss.epsilon_high, 0.28);
  stage.num_train_epochs = 2;
  stage.per_device_train_batch_size = 3;
  stage.gradient_accumulation_steps = 4;
  EXPECT_EQ(StageSteps(stage, 150), 25);
  EXPECT_EQ(StageSteps(stage, 13), 3);
  EXPECT_EQ(StageSteps(stage, 1), 1);
  stage.max_steps = 7;
  EXPECT_EQ(StageSteps(stage, 150), 7);
}

TEST(Durations, AreReadWithTheirUnits) {
  EXPECT_EQ(*ParseDuration("9h"), 32400);
  EXPECT_EQ(*ParseDuration("1.5m"), 90);
  EXPECT_EQ(*ParseDuration("30"), 30);
  for (const char* bad : {"", "h", "-1s", "1d", "nan", "inf", "9h30"}) {
    EXPECT_FALSE(ParseDuration(bad).has_value()) << bad;
  }
  const auto left = SecondsUntil("07:00");
  ASSERT_TRUE(left.has_value());
  EXPECT_GT(*left, 0);
  EXPECT_LE(*left, 25 * 3600);
  for (const char* bad : {"", "7:00", "24:00", "12:60", "ab:cd", "07:00:00"}) {
    EXPECT_FALSE(SecondsUntil(bad).has_value()) << bad;
  }
}

TEST(RunClock, CountsEarlierSessionsAndStopsBeforeWhatWouldPassTheLimit) {
  RunSection run;
  run.time_limit = "100s";
  const auto clock = RunClock::Make(run, 60);
  ASSERT_TRUE(clock.has_value());
  EXPECT_GE(clock->Elapsed(), 60);
  EXPECT_FALSE(clock->TimeUp(20));
  EXPECT_TRUE(clock->TimeUp(41));
  EXPECT_FALSE(RunClock::Make({}, 1e8)->TimeUp(1e8));
}

}  // namespace
}  // namespace pawl
