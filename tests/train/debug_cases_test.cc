// The verbs for engineers: whole folders of cases in, files out, and what bad files are told.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "support/shared_data.h"
#include "train/debug_cases.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

class DebugCases : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("pawl_debug_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  std::string GrpoError() {
    const Status status = DebugGrpoLoss(folder_, folder_ / "out.safetensors");
    if (status) return "no error";
    EXPECT_EQ(static_cast<int>(status.error().code), 4) << status.error().message;
    return status.error().message;
  }
  std::string OptimizerError() {
    const Status status = DebugOptimizer(folder_, folder_ / "out.safetensors");
    if (status) return "no error";
    EXPECT_EQ(static_cast<int>(status.error().code), 4) << status.error().message;
    return status.error().message;
  }

  fs::path folder_;
};

// A case of one group of two rows of three tokens.
struct SmallCase {
  Json json = *ParseJson(
      R"({"cases":[{"name":"a","batch":2,"width":3,"num_rewards":1,"old_logps_given":true,
      "completion_lengths":[3,2],"truncated":[false,true],"num_items_in_batch":5,
      "micro_batches":[{"rows":[0,2]}],
      "config":{"epsilon_low":0.2,"epsilon_high":0.3,"delta":null,"beta":0.0,"loss_type":"dapo",
      "importance_sampling_level":"token","num_generations":2,"scale_rewards":"group",
      "multi_objective_aggregation":"sum_then_normalize","reward_weights":[1.0],
      "gradient_accumulation_steps":1,"steps_per_generation":1,"max_completion_length":3,
      "sampling_correction":false}}]})",
      "case");
  std::vector<float> mask{1, 1, 1, 1, 1, 0}, log_probs{-1, -2, -3, -1, -2, 9},
      old{-1, -2, -3, -1, -2, 9}, rewards{1, 0};
  bool with_old = true;

  Json& first() { return json["cases"][0]; }
  Json& config() { return first()["config"]; }
};

// Writes the case; the mask goes out as integers.
void Save(const SmallCase& c, const fs::path& folder) {
  std::ofstream(folder / "cases.json") << WriteJson(c.json);
  std::vector<TensorSpec> specs{{"a/completion_mask", DType::kI32, {2, 3}},
                                {"a/logps", DType::kF32, {2, c.log_probs.size() / 2}},
                                {"a/rewards", DType::kF32, {c.rewards.size(), 1}}};
  if (c.with_old) specs.push_back({"a/old_logps", DType::kF32, {2, 3}});
  auto writer = SafetensorsWriter::Create(folder / "cases.safetensors", specs);
  ASSERT_TRUE(writer.has_value());
  std::vector<std::int32_t> mask(c.mask.begin(), c.mask.end());
  for (const TensorSpec& spec : writer->order()) {
    const auto append = [&](const auto& values) {
      ASSERT_TRUE(writer->Append(std::as_bytes(std::span(values))).has_value());
    };
    if (spec.name == "a/completion_mask") append(mask);
    if (spec.name == "a/logps") append(c.log_probs);
    if (spec.name == "a/old_logps") append(c.old);
    if (spec.name == "a/rewards") append(c.rewards);
  }
  ASSERT_TRUE(writer->Finish().has_value());
}

TEST_F(DebugCases, GiveTheOutputsOfTrlForTheWholeFolder) {
  PAWL_NEED_SHARED();
  const fs::path oracle = SharedDir() / "oracle/grpo";
  const fs::path out = folder_ / "out.safetensors";
  const Status status = DebugGrpoLoss(oracle, out);
  ASSERT_TRUE(status.has_value()) << status.error().message;
  const auto found = SafetensorsFile::Open(out);
  const auto expected = SafetensorsFile::Open(oracle / "cases.safetensors");
  const auto document = ParseJson(*ReadFile(folder_ / "out.json"), "out.json");
  ASSERT_TRUE(found.has_value() && expected.has_value() && document.has_value());
  const Json cases = ParseJson(*ReadFile(oracle / "cases.json"), "cases.json")->at("cases");
  for (const Json& c : cases) {
    const std::string name = c.at("name").get<std::string>();
    for (const char* table : {"advantages", "grad_logps"}) {
      const auto values = *found->ReadDoubles(name + "/" + table);
      const auto wanted = *expected->ReadDoubles(name + "/expected." + table);
      ASSERT_EQ(values.size(), wanted.size()) << name;
      const double tolerance = c.at("advised_abs_tol_for_f32").at(table).get<double>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_NEAR(values[i], wanted[i], tolerance) << name << " " << table << " at " << i;
      }
    }
    const auto losses = *found->ReadDoubles(name + "/loss");
    ASSERT_EQ(losses.size(), c.at("micro_batches").size());
    for (std::size_t m = 0; m < losses.size(); ++m) {
      EXPECT_NEAR(losses[m], c.at("micro_batches")[m].at("loss").get<double>(),
                  c.at("advised_abs_tol_for_f32").at("loss").get<double>())
          << name;
      EXPECT_EQ(document->at(name).at("metrics")[m].size(),
                c.at("micro_batches")[m].at("metrics").size());
    }
    EXPECT_EQ(document->at(name).at("generation_metrics").size(),
              c.at("generation_metrics").size());
  }
}

TEST_F(DebugCases, GiveTheTracesOfPyTorchForTheWholeFolder) {
  PAWL_NEED_SHARED();
  const fs::path oracle = SharedDir() / "oracle/optim";
  const Status status = DebugOptimizer(oracle, folder_ / "out.safetensors");
  ASSERT_TRUE(status.has_value()) << status.error().message;
  const auto found = SafetensorsFile::Open(folder_ / "out.safetensors");
  const auto expected = SafetensorsFile::Open(oracle / "adamw.safetensors");
  const Json cases = ParseJson(*ReadFile(oracle / "adamw.json"), "adamw.json")->at("cases");
  for (const Json& c : cases) {
    const std::string name = c.at("name").get<std::string>();
    for (std::size_t i = 0; i < c.at("tensors").get<std::size_t>(); ++i) {
      const std::string tensor = name + "/p" + std::to_string(i) + ".param";
      EXPECT_EQ(found->Find(tensor)->shape, expected->Find(tensor)->shape);
      const auto values = *found->ReadDoubles(tensor), wanted = *expected->ReadDoubles(tensor);
      for (std::size_t k = 0; k < wanted.size(); ++k) {
        EXPECT_NEAR(values[k], wanted[k], c.at("advised_abs_tol_for_f32").at("param").get<double>())
            << tensor;
      }
    }
    const auto norms = *found->ReadDoubles(name + "/grad_norm");
    for (std::size_t k = 0; k < norms.size(); ++k) {
      const double wanted = c.at("grad_norm")[k].get<double>();
      EXPECT_NEAR(norms[k], wanted, 1e-6 * wanted) << name;
    }
  }
}

TEST_F(DebugCases, RunASmallCaseWithoutAnyExpectedTensor) {
  SmallCase c;
  Save(c, folder_);
  const Status status = DebugGrpoLoss(folder_, folder_ / "out.safetensors");
  ASSERT_TRUE(status.has_value()) << status.error().message;
  const auto out = SafetensorsFile::Open(folder_ / "out.safetensors");
  // Ratio one: the gradient is -A / tokens; the place off the mask stays 0.
  const auto gradient = *out->ReadFloats("a/grad_logps");
  const auto advantages = *out->ReadFloats("a/advantages");
  EXPECT_FLOAT_EQ(gradient[0], -advantages[0] / 5);
  EXPECT_FLOAT_EQ(gradient[4], -advantages[1] / 5);
  EXPECT_EQ(gradient[5], 0);
}

TEST_F(DebugCases, NameAMissingTensor) {
  SmallCase c;
  c.with_old = false;
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("old_logps"), std::string::npos);
  c.with_old = true;
  c.config()["beta"] = 0.1;
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("ref_logps"), std::string::npos);
  c.config()["beta"] = 0.0;
  c.config()["top_entropy_quantile"] = 0.5;
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("entropies"), std::string::npos);
}

TEST_F(DebugCases, RefuseTensorsOfTheWrongShapeOrNotFinite) {
  SmallCase c;
  c.log_probs.resize(4);
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("[2, 2]"), std::string::npos);
  c = SmallCase();
  c.rewards = {1, 0, 1};
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("rewards"), std::string::npos);
  c = SmallCase();
  c.log_probs[1] = std::nanf("");
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("row 0 token 1"), std::string::npos);
  c = SmallCase();
  c.mask[0] = 2;
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("0 or 1"), std::string::npos);
  c = SmallCase();
  c.rewards[0] = HUGE_VALF;
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("infinite"), std::string::npos);
}

TEST_F(DebugCases, RefuseSettingsThatAreNoneAndNameThem) {
  const auto error_of = [&](const char* key, Json value) {
    SmallCase c;
    c.config()[key] = std::move(value);
    Save(c, folder_);
    return GrpoError();
  };
  EXPECT_NE(error_of("loss_type", "dappo").find("\"dapo\""), std::string::npos);
  EXPECT_NE(error_of("importance_sampling_level", "word").find("token"), std::string::npos);
  EXPECT_NE(error_of("scale_rewards", "rows").find("batch"), std::string::npos);
  EXPECT_NE(error_of("multi_objective_aggregation", "sum").find("known"), std::string::npos);
  EXPECT_NE(error_of("num_generations", 3).find("groups of 3"), std::string::npos);
  EXPECT_NE(error_of("reward_weights", Json::array({1, 2})).find("1 numbers"), std::string::npos);
  EXPECT_NE(error_of("reward_weights", Json::array({"x"})).find("numbers"), std::string::npos);
  EXPECT_NE(error_of("epsilon_low", -1).find("epsilon"), std::string::npos);
  EXPECT_NE(error_of("top_entropy_quantile", 1.5).find("at most 1"), std::string::npos);
  EXPECT_NE(error_of("sapo_temperature_pos", 0).find("above 0"), std::string::npos);
  EXPECT_NE(error_of("steps_per_generation", 0).find("steps_per_generation"), std::string::npos);
  EXPECT_NE(error_of("beta", "x").find("beta"), std::string::npos);
}

TEST_F(DebugCases, RefuseSamplingCorrectionsThatContradictThemselves) {
  SmallCase c;
  c.config()["sampling_correction"] = true;
  c.config()["sampling_correction_mode"] = "token_truncate";
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("needs clip_min or clip_max"), std::string::npos);
  c.config()["sampling_correction_clip_min"] = 2.0;
  c.config()["sampling_correction_clip_max"] = 1.0;
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("must be below"), std::string::npos);
  c.config()["sampling_correction_clip_max"] = 3.0;
  c.config()["sampling_correction_mode"] = "sequence_mask";
  c.config()["loss_type"] = "vespo";
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("vespo"), std::string::npos);
  c.config()["sampling_correction_mode"] = "row_mask";
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("unknown \"row_mask\""), std::string::npos);
}

TEST_F(DebugCases, RefuseDocumentsOfAnotherForm) {
  SmallCase c;
  const auto error_of = [&](const char* key, Json value) {
    c = SmallCase();
    c.first()[key] = std::move(value);
    Save(c, folder_);
    return GrpoError();
  };
  EXPECT_NE(error_of("config", 3).find("config"), std::string::npos);
  EXPECT_NE(error_of("batch", 0).find("batch"), std::string::npos);
  EXPECT_NE(error_of("width", -2).find("width"), std::string::npos);
  EXPECT_NE(error_of("micro_batches", Json::object()).find("micro_batches"), std::string::npos);
  EXPECT_NE(error_of("micro_batches", Json::array({3})).find("rows"), std::string::npos);
  EXPECT_NE(error_of("micro_batches", Json::array({{{"rows", {0, 3}}}})).find("batch of 2"),
            std::string::npos);
  EXPECT_NE(error_of("completion_lengths", Json::array({1})).find("2 entries"), std::string::npos);
  EXPECT_NE(error_of("truncated", Json::array({1, 2})).find("booleans"), std::string::npos);
  EXPECT_NE(error_of("num_items_in_batch", -1).find("negative"), std::string::npos);
  c = SmallCase();
  c.json["cases"].push_back(c.json["cases"][0]);
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("two cases"), std::string::npos);
  c.json = {{"cases", {1}}};
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("object"), std::string::npos);
  c.json = {{"case", 1}};
  Save(c, folder_);
  EXPECT_NE(GrpoError().find("expected a list"), std::string::npos);
}

TEST_F(DebugCases, RefuseOptimizerFilesOfAnotherForm) {
  const Json good = *ParseJson(
      R"({"name":"o","steps":2,"tensors":1,"optimizer":{"lr":0.1,"betas":[0.9,0.99],"eps":1e-8},
      "max_norm":null,"schedule":null})",
      "case");
  ASSERT_TRUE(WriteSafetensors(folder_ / "adamw.safetensors",
                               {{"o/p0.init", {3}, {1, 2, 3}},
                                {"o/p0.grads", {2, 3}, {1, 2, 3, 4, 5, 6}},
                                {"o/p1.init", {3}, {1, 2, 3}},
                                {"o/p1.grads", {3, 3}, std::vector<float>(9)}})
                  .has_value());
  const auto error_of = [&](const char* key, Json value) {
    Json c = good;
    c[key] = std::move(value);
    Write("adamw.json", WriteJson({{"cases", {c}}}));
    return OptimizerError();
  };
  EXPECT_EQ(error_of("max_norm", 1.0), "no error");
  EXPECT_NE(error_of("tensors", 2).find("[3, 3], expected [2, 3]"), std::string::npos);
  EXPECT_NE(error_of("name", "z").find("z/p0.init"), std::string::npos);
  EXPECT_NE(error_of("steps", -1).find("steps"), std::string::npos);
  EXPECT_NE(error_of("optimizer", 1).find("optimizer"), std::string::npos);
  EXPECT_NE(error_of("schedule", 1).find("schedule"), std::string::npos);
  EXPECT_NE(
      error_of("schedule", {{"name", "cosin"}, {"warmup", 1}, {"total", 9}}).find("\"cosine\""),
      std::string::npos);
  Json o = good.at("optimizer");
  o["betas"] = {0.9};
  EXPECT_NE(error_of("optimizer", o).find("betas"), std::string::npos);
  o["betas"] = {"x", 0.9};
  EXPECT_NE(error_of("optimizer", o).find("numbers"), std::string::npos);
  o["betas"] = {0.9, 1.0};
  EXPECT_NE(error_of("optimizer", o).find("below 1"), std::string::npos);
}

std::string ScheduleError(const char* line) {
  const auto answer = DebugSchedule(*ParseJson(line, "line"));
  return answer ? "no error" : answer.error().message;
}

TEST(DebugSchedule, GivesTheRatesOfTransformersForEveryLine) {
  PAWL_NEED_SHARED();
  const Json cases =
      ParseJson(*ReadFile(SharedDir() / "oracle/optim/schedules.json"), "schedules")->at("cases");
  for (const Json& c : cases) {
    Json line = c;
    line.erase("lr");
    const auto answer = DebugSchedule(line);
    if (c.contains("error")) {
      EXPECT_FALSE(answer.has_value()) << WriteJson(line);
      continue;
    }
    ASSERT_TRUE(answer.has_value()) << answer.error().message;
    for (std::size_t k = 0; k <= 100; ++k) {
      const double wanted = c.at("lr")[k].get<double>();
      EXPECT_NEAR(answer->at("lr")[k].get<double>(), wanted, 1e-12 * wanted + 1e-18)
          << WriteJson(line) << " step " << k;
    }
  }
}

TEST(DebugSchedule, RefusesOptionsThatTheScheduleDoesNotHave) {
  EXPECT_NE(ScheduleError(R"({"name":"linear","base_lr":1,"warmup":0,"total":9,
                          "options":{"power":2}})")
                .find("no option \"power\""),
            std::string::npos);
  EXPECT_NE(ScheduleError(R"({"name":"polynomial","base_lr":1,"warmup":0,"total":9,
                          "options":{"powr":2}})")
                .find("\"power\""),
            std::string::npos);
  EXPECT_NE(ScheduleError(R"({"name":"warmup_stable_decay","base_lr":1,"warmup":0,"total":9})")
                .find("num_decay_steps"),
            std::string::npos);
  EXPECT_NE(ScheduleError(R"({"name":"linear","base_lr":1,"warmup":-1,"total":9})").find("warmup"),
            std::string::npos);
  EXPECT_NE(ScheduleError(R"({"name":"linear","base_lr":1,"warmup":0,"total":1.5})").find("total"),
            std::string::npos);
  EXPECT_NE(
      ScheduleError(R"({"name":"linear","base_lr":1,"warmup":0,"options":[]})").find("options"),
      std::string::npos);
  EXPECT_NE(ScheduleError(R"({"name":"inverse_sqrt","base_lr":1,"warmup":0,"total":9,
                          "options":{"timescale":0}})")
                .find("timescale"),
            std::string::npos);
  EXPECT_EQ(ScheduleError(R"({"name":"constant","base_lr":1,"warmup":null,"total":null})"),
            "no error");
}

}  // namespace
}  // namespace pawl
