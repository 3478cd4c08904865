// What the probe measures on models, against arithmetic done the long way, and on a whole LoRA run.
#include "probe/probe.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/toy.h"
#include "pipeline/tiny_run.h"
#include "probe/distance.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

// scale * B A of every module, written out.
std::vector<std::vector<double>> Dense(Adapter& adapter) {
  std::map<std::string, std::pair<Parameter, Parameter>> modules;
  for (const Parameter& p : AdapterTensors(adapter)) {
    const std::size_t at = p.name.find(".lora_");
    auto& [a, b] = modules[p.name.substr(0, at)];
    (p.name[at + 6] == 'A' ? a : b) = p;
  }
  std::vector<std::vector<double>> out;
  for (const auto& [name, factors] : modules) {
    const auto a = ReadParameter(factors.first), b = ReadParameter(factors.second);
    const std::size_t r = factors.first.shape[0], in = factors.first.shape[1],
                      rows = factors.second.shape[0];
    std::vector<double> product(rows * in);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t k = 0; k < in; ++k) {
        for (std::size_t j = 0; j < r; ++j) {
          product[i * in + k] += static_cast<double>(adapter.scale) *
                                 static_cast<double>(b[i * r + j]) *
                                 static_cast<double>(a[j * in + k]);
        }
      }
    }
    out.push_back(std::move(product));
  }
  return out;
}

TEST(Distance, OfAdaptersIsThatOfTheirProducts) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  LoraConfig lora;
  lora.r = 4;
  Adapter one = ToyAdapter(config, lora, 3), other = ToyAdapter(config, lora, 4);
  const auto x = Dense(one), y = Dense(other);
  ASSERT_EQ(x.size(), y.size());
  double sum = 0;
  for (std::size_t m = 0; m < x.size(); ++m) {
    for (std::size_t i = 0; i < x[m].size(); ++i) sum += std::pow(x[m][i] - y[m][i], 2);
  }
  EXPECT_NEAR(AdapterDistance(one, other), std::sqrt(sum), 1e-6 * std::sqrt(sum));
  EXPECT_NEAR(AdapterDistance(one, one), 0, 1e-4 * std::sqrt(sum));
}

TEST(Distance, OfModelsIsTheFrobeniusNormOfTheDifference) {
  ThreadPool pool(1);
  const ModelConfig config = ToyConfig(ToyKind::kQwen3, false);
  Model a = ToyModel(config, Precision::kF32, pool, 1),
        b = ToyModel(config, Precision::kF32, pool, 1);
  EXPECT_EQ(WeightDistance(a, b), 0);
  Parameter parameter = Parameters(config, b.weights)[1];
  auto values = ReadParameter(parameter);
  values[0] += 3;
  values[1] -= 4;
  WriteParameter(parameter, values);
  EXPECT_NEAR(WeightDistance(a, b), 5, 1e-5);
  double norm = 0;
  for (const Parameter& p : Parameters(config, a.weights)) {
    for (const float v : ReadParameter(p)) norm += static_cast<double>(v) * static_cast<double>(v);
  }
  EXPECT_NEAR(WeightNorm(a), std::sqrt(norm), 1e-9 * std::sqrt(norm));
}

// The participation ratio of singular values: sigma = (2, 1) gives (4 + 1)^2 / (16 + 1).
TEST(Rank, IsTheParticipationRatioOfTheSingularValues) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  LoraConfig lora;
  lora.r = 3;
  Adapter adapter = ToyAdapter(config, lora);
  EXPECT_GT(AdapterRank(adapter).effective, 1);
  EXPECT_LE(AdapterRank(adapter).effective, 3 + 1e-9);
  // A: the first unit vectors; B: 2 e1, 1 e2, nothing.
  for (const Parameter& p : AdapterTensors(adapter)) {
    const bool is_a = p.name.find(".lora_A") != std::string::npos;
    std::vector<float> values(p.shape[0] * p.shape[1], 0.0f);
    const std::size_t columns = p.shape[1];
    for (std::size_t i = 0; i < 3; ++i) {
      values[i * columns + i] = is_a ? 1.0f : i == 0 ? 2.0f : i == 1 ? 1.0f : 0.0f;
    }
    WriteParameter(p, values);
  }
  EXPECT_NEAR(AdapterRank(adapter).effective, 25.0 / 17, 1e-9);
  EXPECT_GT(AdapterRank(adapter).modules, 0);
  Adapter none = ZerosLike(adapter);
  EXPECT_EQ(AdapterRank(none).modules, 0);
  EXPECT_EQ(AdapterRank(none).effective, 0);
}

TEST(Probe, MeasuresALoraRun) {
  const fs::path folder = TempFolder("probe");
  ASSERT_TRUE(RunTiny(folder / "base", {.sets = {"stage.second.max_steps=1"}}).has_value());
  const std::string base = (folder / "base/final_model").string();
  const auto run = RunTiny(
      folder / "lora",
      {.sets = {"model.path=" + base, "lora.enabled=true", "lora.r=2", "gate.rule=none",
                "defaults.learning_rate=1e-2", "stage.first.level=1", "stage.first.level_mix=[]",
                "stage.first.styles_basic=[]", "stage.first.tokens_per_batch=0"}});
  ASSERT_TRUE(run.has_value()) << run.error().message;
  ThreadPool pool(1);
  const Compute compute(pool);
  ProbeOptions options;
  options.problems = 6;
  options.samples = 2;
  const Status probed = ProbeRun(folder / "lora", options, compute);
  ASSERT_TRUE(probed.has_value()) << probed.error().message;
  const Json models = ReadJsonFile(folder / "lora/probe.json").at("models");
  ASSERT_EQ(models.size(), 4u);
  EXPECT_EQ(models[0].at("name"), "base");
  EXPECT_FALSE(models[0].contains("lora"));
  for (std::size_t i = 1; i < 4; ++i) {
    const Json& model = models[i];
    EXPECT_EQ(model.at("lora").at("r"), 2);
    EXPECT_GT(model.at("distance_base").get<double>(), 0);
    EXPECT_LT(model.at("distance_base").get<double>(), 1);
    const double rank = model.at("lora").at("effective_rank");
    EXPECT_GE(rank, 1 - 1e-9);
    EXPECT_LE(rank, 2 + 1e-9);
    EXPECT_EQ(model.at("problems").size(), 6u);
  }
  // The last accepted model is the last stage's: no gate refused it.
  EXPECT_EQ(models[3].at("distance_base"), models[2].at("distance_base"));
  EXPECT_EQ(models[3].at("kl_base"), models[2].at("kl_base"));
  const Json& renumbered = models[2].at("renumbered_solution_gain");
  EXPECT_EQ(renumbered.at("original").size(), renumbered.at("changed").size());
  EXPECT_GT(renumbered.at("original").size(), 2u);
}

}  // namespace
}  // namespace pawl
