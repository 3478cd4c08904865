// Interrupted runs end as uninterrupted ones, byte for byte.
#include <gtest/gtest.h>

#include "tiny_run.h"

namespace pawl {
namespace {
namespace fs = std::filesystem;

// Every file of two runs that must agree; times are left out.
void ExpectSameRun(const fs::path& a, const fs::path& b) {
  for (const char* file : {"config.resolved.toml", "final_model/model.safetensors"}) {
    EXPECT_EQ(ReadText(a / file), ReadText(b / file)) << file;
  }
  for (const char* stage : {"stages/first", "stages/second"}) {
    for (const char* file : {"rollouts.jsonl", "training.log", "gate.json",
                             "best/model.safetensors", "final_model/model.safetensors"}) {
      EXPECT_EQ(ReadText(a / stage / file), ReadText(b / stage / file)) << stage << " " << file;
    }
    EXPECT_EQ(TimelessMetrics(a / stage / "metrics.jsonl"),
              TimelessMetrics(b / stage / "metrics.jsonl"))
        << stage;
  }
  for (const fs::path& run : {a, b}) ASSERT_TRUE(fs::exists(run / "summary.json"));
  Json one = ReadJsonFile(a / "summary.json"), other = ReadJsonFile(b / "summary.json");
  for (Json* summary : {&one, &other}) {
    for (const char* key : {"seconds", "peak_rss_bytes"}) summary->erase(key);
    for (Json& stage : summary->at("stages")) stage.erase("seconds");
  }
  EXPECT_EQ(one, other);
}

// A signal that comes at the n-th time that the run looks.
std::function<int()> SignalAt(int n, int& looks) {
  looks = 0;
  return [n, &looks] { return ++looks >= n ? 15 : 0; };
}

TEST(Resume, ARunIsTheSameForAnyThreadCount) {
  const fs::path folder = TempFolder("threads");
  ASSERT_TRUE(RunTiny(folder / "one", {.threads = 1}).has_value());
  ASSERT_TRUE(RunTiny(folder / "three", {.threads = 3}).has_value());
  ExpectSameRun(folder / "one", folder / "three");
}

// A retry, early stopping, KL and a rollback: everything that a position holds.
const std::vector<std::string> kEventful = {"stage.second.learning_rate=0.3",
                                            "stage.second.early_stopping_patience=2",
                                            "stage.second.max_steps=8",
                                            "gate.max_drop=0",
                                            "stage.first.max_steps=9",
                                            "stage.first.learning_rate=1e-2",
                                            "health.max_kl=1e9",
                                            "gate.check_steps=3",
                                            "stage.second.sampling=pass_rate",

                                            "stage.second.l2_sp=0.1"};

TEST(Resume, AStopAtAnyLookChangesNothing) {
  const fs::path folder = TempFolder("looks");
  int all = 0;
  const auto whole =
      RunTiny(folder / "whole", {.sets = kEventful, .signal = SignalAt(1 << 30, all)});
  ASSERT_TRUE(whole.has_value()) << whole.error().message;
  ASSERT_EQ(whole->exit_code, 0);
  ASSERT_GT(all, 50);
  // Steps of a prime number of looks hit every kind of place over the run.
  for (int n = 1; n <= all; n += std::max(1, all / 12)) {
    const fs::path run = folder / "run";
    fs::remove_all(run);
    int looks = 0;
    const auto part = RunTiny(run, {.sets = kEventful, .signal = SignalAt(n, looks)});
    ASSERT_TRUE(part.has_value()) << part.error().message;
    ASSERT_EQ(part->exit_code, 143) << n;
    EXPECT_FALSE(fs::exists(run / "summary.json"));
    const auto rest = RunTiny(run, {.threads = 2, .resume = true, .sets = kEventful});
    ASSERT_TRUE(rest.has_value()) << rest.error().message;
    ASSERT_EQ(rest->exit_code, 0);
    ExpectSameRun(folder / "whole", run);
    if (::testing::Test::HasFailure()) GTEST_FAIL() << "stopped at look " << n << " of " << all;
  }
}

// Completions that were finished before the end came are read, not generated again.
TEST(Resume, FinishedCompletionsAreNotGeneratedAgain) {
  const fs::path folder = TempFolder("journal");
  int all = 0;
  ASSERT_TRUE(RunTiny(folder / "whole", {.signal = SignalAt(1 << 30, all)}).has_value());
  int saved = 0;
  for (int n = 10; n < all; n += all / 15) {
    int looks = 0;
    fs::remove_all(folder / "with");
    ASSERT_TRUE(RunTiny(folder / "with", {.signal = SignalAt(n, looks)}).has_value());
    fs::remove_all(folder / "without");
    fs::copy(folder / "with", folder / "without", fs::copy_options::recursive);
    fs::remove(folder / "without/state/journal.jsonl");
    int with = 0, without = 0;
    for (const auto& [name, count] : {std::pair{"with", &with}, std::pair{"without", &without}}) {
      const auto rest =
          RunTiny(folder / name, {.resume = true, .signal = SignalAt(1 << 30, *count)});
      ASSERT_TRUE(rest.has_value()) << rest.error().message;
      ExpectSameRun(folder / "whole", folder / name);
    }
    // A run looks for a signal at every decode step.
    EXPECT_LE(with, without) << n;
    saved += without - with;
  }
  EXPECT_GT(saved, 0);
  // The checkpoint of the last stage emptied it; what the final benchmark made came after.
  EXPECT_TRUE(fs::exists(folder / "whole/state/journal.jsonl"));
}

TEST(Resume, ManyStopsInOneRunChangeNothing) {
  const fs::path folder = TempFolder("many");
  ASSERT_TRUE(RunTiny(folder / "whole", {.sets = kEventful}).has_value());
  // Each session looks a few times more than the last, so that each gets further in the end.
  int code = 143, sessions = 0;
  for (int n = 20; code == 143 && sessions < 60; n += 17, ++sessions) {
    int looks = 0;
    const auto part =
        RunTiny(folder / "parts",
                {.resume = sessions > 0, .sets = kEventful, .signal = SignalAt(n, looks)});
    ASSERT_TRUE(part.has_value()) << part.error().message;
    code = part->exit_code;
  }
  EXPECT_EQ(code, 0);
  EXPECT_GT(sessions, 3);
  ExpectSameRun(folder / "whole", folder / "parts");
}

TEST(Resume, PassRatesRefillsAndTripwiresSurviveStops) {
  const std::vector<std::string> sets = {"stage.second.beta=0",
                                         "stage.second.max_refills=2",
                                         "stage.second.max_steps=8",
                                         "stage.second.sampling=pass_rate",
                                         "stage.second.replay=0.2",
                                         "stage.second.replay_mastered=0.2",
                                         "stage.second.max_samples=16",
                                         "health.max_grad_norm_ratio=1.01",
                                         "stage.second.replay_end=0.5",
                                         "gate.soup=[0.5]",
                                         "stage.second.max_pass_rate=0.99"};
  const fs::path folder = TempFolder("sampling");
  ASSERT_TRUE(RunTiny(folder / "whole", {.sets = sets}).has_value());
  int code = 143, sessions = 0;
  for (int n = 15; code == 143 && sessions < 60; n += 23, ++sessions) {
    int looks = 0;
    const auto part = RunTiny(folder / "parts", {.threads = 1 + sessions % 3,
                                                 .resume = sessions > 0,
                                                 .sets = sets,
                                                 .signal = SignalAt(n, looks)});
    ASSERT_TRUE(part.has_value()) << part.error().message;
    code = part->exit_code;
  }
  EXPECT_GT(sessions, 3);
  ExpectSameRun(folder / "whole", folder / "parts");
}

TEST(Resume, ALostTailOfTheNewestCheckpointFallsBackToTheOneBefore) {
  const fs::path folder = TempFolder("tail");
  ASSERT_TRUE(RunTiny(folder / "whole").has_value());
  int all = 0, looks = 0;
  ASSERT_TRUE(RunTiny(folder / "count", {.signal = SignalAt(1 << 30, all)}).has_value());
  ASSERT_TRUE(RunTiny(folder / "run", {.signal = SignalAt(all * 3 / 4, looks)}).has_value());
  fs::path newest;
  int highest = 0;
  for (const auto& entry : fs::directory_iterator(folder / "run/state")) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("checkpoint-", 0) != 0) continue;
    const int number = std::stoi(name.substr(11));
    if (number > highest) newest = entry.path();
    highest = std::max(highest, number);
  }
  ASSERT_GT(highest, 1);
  fs::resize_file(newest / "current.safetensors", 100);
  const auto rest = RunTiny(folder / "run", {.resume = true});
  ASSERT_TRUE(rest.has_value()) << rest.error().message;
  EXPECT_TRUE(fs::exists(newest.string() + ".bad"));
  ExpectSameRun(folder / "whole", folder / "run");
}

TEST(Resume, RefusesOtherSettingsAndNamesThem) {
  const fs::path run = TempFolder("changed") / "run";
  int looks = 0;
  ASSERT_TRUE(RunTiny(run, {.signal = SignalAt(40, looks)}).has_value());
  const auto changed = RunTiny(run, {.resume = true, .sets = {"stage.second.learning_rate=1e-4"}});
  ASSERT_FALSE(changed.has_value());
  EXPECT_EQ(changed.error().code, ErrorCode::kUsage);
  EXPECT_NE(changed.error().message.find("learning_rate"), std::string::npos);
}

TEST(Resume, WithoutResumeARunIsNotOverwritten) {
  const fs::path run = TempFolder("again") / "run";
  int looks = 0;
  ASSERT_TRUE(RunTiny(run, {.signal = SignalAt(40, looks)}).has_value());
  const auto again = RunTiny(run);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::kNoCheckpoint);
}

TEST(Resume, StartsFromTheBeginningWhereNothingWasCommitted) {
  const fs::path folder = TempFolder("fresh");
  ASSERT_TRUE(RunTiny(folder / "run", {.resume = true}).has_value());
  ASSERT_TRUE(RunTiny(folder / "whole").has_value());
  ExpectSameRun(folder / "whole", folder / "run");
}

}  // namespace
}  // namespace pawl
