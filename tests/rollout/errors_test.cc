#include <gtest/gtest.h>

#include <limits>

#include "rollout/toy.h"

namespace pawl {
namespace {

std::string ErrorOf(const GenerationRequest& request, const SamplingConfig& config,
                    std::size_t max_batch = 8) {
  ToyPolicy toy;
  const auto result =
      Generate(toy.policy(), toy.compute, {&request, 1}, config, {.max_batch = max_batch});
  if (result) return "no error";
  EXPECT_EQ(result.error().code, ErrorCode::kUsage);
  return result.error().message;
}

TEST(Generate, RefusesPromptsThatDoNotFitNamingBothNumbers) {
  SamplingConfig config;
  config.max_new_tokens = 500;
  const std::string message = ErrorOf({std::vector<std::int32_t>(13, 1)}, config);
  EXPECT_NE(message.find("513"), std::string::npos) << message;
  EXPECT_NE(message.find("512"), std::string::npos) << message;
  EXPECT_NE(message.find("13 tokens"), std::string::npos) << message;
  config.max_new_tokens = 2147483647;
  EXPECT_NE(ErrorOf({{1}}, config).find("2147483648"), std::string::npos);
  config.max_new_tokens = 499;
  ToyPolicy toy;
  config.stop_ids.resize(83);
  for (int id = 0; id < 83; ++id) config.stop_ids[static_cast<std::size_t>(id)] = id;
  EXPECT_TRUE(
      Generate(toy.policy(), toy.compute, {{{std::vector<std::int32_t>(13, 1)}}}, config, {}));
}

TEST(Generate, RefusesBadPromptsAndBatches) {
  EXPECT_NE(ErrorOf({{}}, {}).find("no tokens"), std::string::npos);
  EXPECT_NE(ErrorOf({{1, 83}}, {}).find("id 83 at token 1"), std::string::npos);
  EXPECT_NE(ErrorOf({{-1}}, {}).find("id -1 at token 0"), std::string::npos);
  EXPECT_NE(ErrorOf({{1}, 0, 0}, {}).find("0 completions"), std::string::npos);
  EXPECT_NE(ErrorOf({{1}}, {}, 0).find("max_batch"), std::string::npos);
}

TEST(Generate, ListsEveryProblemOfTheSettingsAtOnce) {
  SamplingConfig config;
  EXPECT_TRUE(Problems(config).empty());
  config.temperature = 0;
  config.top_k = -1;
  config.top_p = 1.5;
  config.min_p = -0.1;
  config.repetition_penalty = 0;
  config.max_new_tokens = 0;
  config.record_temperature = std::numeric_limits<double>::quiet_NaN();
  const std::string message = ErrorOf({{1}}, config);
  for (const char* name :
       {"temperature: 0", "top_k: -1", "top_p: 1.5", "min_p: -0.1", "repetition_penalty: 0",
        "max_new_tokens: 0", "record_temperature: nan"}) {
    EXPECT_NE(message.find(name), std::string::npos) << name << " in " << message;
  }
}

}  // namespace
}  // namespace pawl
