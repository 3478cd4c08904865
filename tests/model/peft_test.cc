// An adapter saved by pawl and loaded in peft: tests/golden/peft, written by
// tools/reference/peft_adapter.py (logits.json names versions and seed).  `saved` is what pawl
// wrote, the logits are peft's.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "model/adapter.h"
#include "model/debug.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

class Peft : public testing::Test {
 protected:
  const fs::path golden_ = fs::path(PAWL_SOURCE_DIR) / "tests" / "golden";
  const fs::path folder_ = golden_ / "peft";
  ThreadPool pool_{2};
  Compute compute_{pool_};
  Scratch scratch_;
  Model model_ = *LoadModel(golden_ / "training" / "model", Precision::kF32, pool_);
  Adapter adapter_ = *LoadAdapter(folder_ / "saved", model_.config);

  // Compares the policy's logits with those of peft.
  void ExpectLogits(const Policy& policy) {
    const Json json = *ParseJson(*ReadFile(folder_ / "logits.json"), "logits.json");
    const auto expected = SafetensorsFile::Open(folder_ / "logits.safetensors");
    ASSERT_TRUE(expected) << expected.error().message;
    const double tolerance = json["advised_abs_tol"];
    for (std::size_t line = 0; line < json["sequences"].size(); ++line) {
      const auto ids = json["sequences"][line].get<std::vector<std::int32_t>>();
      const std::vector<float> got = LogitsOf(policy, compute_, ids, scratch_).logits;
      const auto want = expected->ReadFloats("logits." + std::to_string(line));
      ASSERT_TRUE(want) << want.error().message;
      ASSERT_EQ(got.size(), want->size());
      for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>((*want)[i]), tolerance)
            << line << " " << i;
      }
    }
  }
};

TEST_F(Peft, GivesOurLogitsWithAnAdapterThatWeSaved) { ExpectLogits({model_, &adapter_}); }

TEST_F(Peft, GivesTheLogitsOfTheMergedModelWithinRounding) {
  ASSERT_TRUE(MergeAdapter(adapter_, model_.config, model_.weights));
  ExpectLogits({model_, nullptr});
}

TEST_F(Peft, LoadedTheBytesThatWeSaveToday) {
  const fs::path again = fs::path(testing::TempDir()) / "pawl_peft_again";
  fs::remove_all(again);
  fs::create_directories(again);
  ASSERT_TRUE(SaveAdapter(adapter_, model_.config, "model", again));
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    EXPECT_EQ(*ReadFile(again / name), *ReadFile(folder_ / "saved" / name)) << name;
  }
  fs::remove_all(again);
}

}  // namespace
}  // namespace pawl
