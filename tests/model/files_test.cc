// Models and adapters on disk: round trips, and what damaged folders say.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "model/toy.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Model Toy(ToyKind kind, bool tied, Precision precision) {
    ModelConfig config = ToyConfig(kind, tied);
    config.architecture = kind == ToyKind::kQwen2   ? "Qwen2ForCausalLM"
                          : kind == ToyKind::kQwen3 ? "Qwen3ForCausalLM"
                                                    : "LlamaForCausalLM";
    config.model_type = kind == ToyKind::kQwen2   ? "qwen2"
                        : kind == ToyKind::kQwen3 ? "qwen3"
                                                  : "llama";
    if (kind == ToyKind::kLlama) config.attention_bias_qkv = true;  // Llama has both or none
    config.eos_token_ids = {7};
    Model model = ToyModel(config, precision, pool_);
    model.stop_ids = {7, 9};
    return model;
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  void Replace(const std::string& name, const std::string& from, const std::string& to) {
    std::string text = *ReadFile(folder_ / name);
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    Write(name, text.replace(at, from.size(), to));
  }
  std::vector<std::vector<float>> Values(Model& model) {
    std::vector<std::vector<float>> out;
    for (const Parameter& p : Parameters(model.config, model.weights)) {
      out.push_back(ReadParameter(p));
    }
    return out;
  }

  fs::path folder_;
  ThreadPool pool_{3};
};

TEST_F(Files, AModelReadsBackBitForBitInTheDtypeThatHoldsIt) {
  for (const ToyKind kind : {ToyKind::kQwen2, ToyKind::kQwen3, ToyKind::kLlama}) {
    for (const Precision precision : {Precision::kF32, Precision::kBf16}) {
      const bool bf16 = precision == Precision::kBf16;
      Model model = Toy(kind, kind != ToyKind::kQwen3, precision);
      // Vectors are float32 in memory; in a bf16 file they are rounded, so start from rounded ones.
      for (const Parameter& p : Parameters(model.config, model.weights)) {
        for (float& value : p.vector) value = ToFloat(ToBf16(value));
      }
      ASSERT_TRUE(SaveModel(model, bf16 ? "bfloat16" : "float32", folder_));
      Result<Model> back = LoadModel(folder_, Precision::kStored, pool_, 100);
      ASSERT_TRUE(back) << back.error().message;
      EXPECT_EQ(back->weights.embed.type(), bf16 ? WeightType::kBf16 : WeightType::kF32);
      EXPECT_EQ(Values(*back), Values(model));
      EXPECT_EQ(back->stop_ids, model.stop_ids);
      EXPECT_EQ(back->max_positions, 100u);
      EXPECT_EQ(back->rope.inv_freq, model.rope.inv_freq);
      // Again from the loaded model: the folder's own texts are kept.
      ASSERT_TRUE(SaveModel(*back, "float16", folder_ / "again"));
      EXPECT_NE(ReadFile(folder_ / "again" / "config.json")->find("\"float16\""),
                std::string::npos);
      EXPECT_EQ(*ReadFile(folder_ / "again" / "generation_config.json"),
                *ReadFile(folder_ / "generation_config.json"));
      EXPECT_EQ(LoadModel(folder_ / "again", Precision::kStored, pool_)->weights.embed.type(),
                WeightType::kF32);
    }
  }
}

TEST_F(Files, PrecisionDecidesTheStorageWhateverTheFileHolds) {
  Model model = Toy(ToyKind::kQwen2, true, Precision::kF32);
  ASSERT_TRUE(SaveModel(model, "float32", folder_));
  Model narrow = *LoadModel(folder_, *ParsePrecision("bf16"), pool_);
  EXPECT_EQ(narrow.weights.layers[0].down.type(), WeightType::kBf16);
  std::vector<std::vector<float>> expected = Values(model);
  std::size_t i = 0;
  for (const Parameter& p : Parameters(model.config, model.weights)) {
    if (p.matrix != nullptr) {
      for (float& value : expected[i]) value = ToFloat(ToBf16(value));
    }
    ++i;
  }
  EXPECT_EQ(Values(narrow), expected);
  ASSERT_TRUE(SaveModel(narrow, "bfloat16", folder_));
  EXPECT_EQ(LoadModel(folder_, *ParsePrecision("f32"), pool_)->weights.embed.type(),
            WeightType::kF32);
  const auto unknown = ParsePrecision("int3");
  EXPECT_EQ(unknown.error().code, ErrorCode::kUsage);
  EXPECT_NE(unknown.error().message.find("\"int3\""), std::string::npos);
}

TEST_F(Files, WeightsThatAreNotFiniteAreNamed) {
  for (const std::string name : {"model.layers.1.mlp.up_proj.weight", "model.norm.weight"}) {
    Model model = Toy(ToyKind::kQwen2, true, Precision::kF32);
    for (const Parameter& p : Parameters(model.config, model.weights)) {
      if (p.name != name) continue;
      std::vector<float> values = ReadParameter(p);
      values[35] = name == "model.norm.weight" ? std::numeric_limits<float>::infinity()
                                               : std::numeric_limits<float>::quiet_NaN();
      WriteParameter(p, values);
    }
    ASSERT_TRUE(SaveModel(model, "float32", folder_));
    const auto back = LoadModel(folder_, Precision::kStored, pool_);
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().code, ErrorCode::kBadFile);
    EXPECT_NE(back.error().message.find(name), std::string::npos);
    EXPECT_NE(back.error().message.find("element 35"), std::string::npos);
  }
}

TEST_F(Files, MissingFoldersAndTensorsAreErrorsAndNotCrashes) {
  EXPECT_EQ(LoadModel(folder_ / "none", Precision::kStored, pool_).error().code, ErrorCode::kUsage);
  Model model = Toy(ToyKind::kQwen2, true, Precision::kF32);
  ASSERT_TRUE(SaveModel(model, "float32", folder_));
  Replace("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
  const auto back = LoadModel(folder_, Precision::kStored, pool_);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::kBadFile);
  EXPECT_NE(back.error().message.find("model.layers.2."), std::string::npos);
}

TEST_F(Files, SavingNamesABadDtypeAndAWeightBeyondFloat16) {
  Model model = Toy(ToyKind::kQwen2, true, Precision::kF32);
  EXPECT_NE(SaveModel(model, "int8", folder_).error().message.find("\"bfloat16\""),
            std::string::npos);
  model.weights.final_norm[0] = 1e6f;
  const Status status = SaveModel(model, "float16", folder_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUsage);
  EXPECT_NE(status.error().message.find("model.norm.weight"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder_ / "model.safetensors"));
  EXPECT_FALSE(fs::exists(folder_ / "model.safetensors.tmp"));
  Write("file", "");
  EXPECT_EQ(SaveModel(model, "float32", folder_ / "file" / "in").error().code,
            ErrorCode::kResources);
}

TEST_F(Files, ARandomModelIsAPureFunctionOfConfigAndSeed) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen3, false);
  ThreadPool one(1);
  Model a = MakeRandomModel(config, Precision::kF32, 3, one);
  Model b = MakeRandomModel(config, Precision::kF32, 3, pool_);
  Model other = MakeRandomModel(config, Precision::kF32, 4, pool_);
  EXPECT_EQ(Values(a), Values(b));
  EXPECT_NE(Values(a), Values(other));
  for (const Parameter& p : Parameters(config, a.weights)) {
    if (p.name != "model.embed_tokens.weight") continue;
    double sum = 0, squares = 0;
    const std::vector<float> values = ReadParameter(p);
    for (const float v : values) {
      sum += v;
      squares += static_cast<double>(v) * v;
    }
    const auto n = static_cast<double>(values.size());
    EXPECT_NEAR(sum / n, 0, 0.002);
    EXPECT_NEAR(std::sqrt(squares / n), 0.02, 0.001);
  }
  std::size_t count = 0;
  for (const auto& values : Values(a)) count += values.size();
  EXPECT_EQ(ParameterCount(config), count);
}

TEST_F(Files, AnAdapterReadsBackBitForBit) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  const LoraConfig lora{.r = 3,
                        .lora_alpha = 5,
                        .use_rslora = true,
                        .target_modules = {"q_proj", "v_proj", "model.layers.1.mlp.down_proj"}};
  Adapter adapter = ToyAdapter(config, lora);
  ASSERT_TRUE(SaveAdapter(adapter, config, "some/base", folder_));
  Result<Adapter> back = LoadAdapter(folder_, config);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->scale, static_cast<float>(5 / std::sqrt(3.0)));
  const auto expected = AdapterTensors(adapter), got = AdapterTensors(*back);
  ASSERT_EQ(got.size(), 2u * 2 * 2 + 2);
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].name, expected[i].name);
    EXPECT_EQ(ReadParameter(got[i]), ReadParameter(expected[i]));
  }
  const std::string text = *ReadFile(folder_ / "adapter_config.json");
  EXPECT_NE(text.find("\"base_model_name_or_path\": \"some/base\""), std::string::npos);
}

TEST_F(Files, AllLinearAdaptsEveryModuleAndIsWrittenAsNames) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen3, true);
  Adapter adapter = *MakeAdapter(config, {}, 1);
  EXPECT_EQ(AdapterTensors(adapter).size(), 2u * 2 * kLinearModules);
  for (const Parameter& p : AdapterTensors(adapter)) {
    const std::vector<float> values = ReadParameter(p);
    const bool is_b = p.name.ends_with("lora_B.weight");
    const float bound = is_b ? 0.0f : 1.0f / std::sqrt(static_cast<float>(p.shape[1]));
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(value));
    EXPECT_LE(largest, bound);
    EXPECT_EQ(largest > 0.8f * bound, !is_b);
  }
  ASSERT_TRUE(SaveAdapter(adapter, config, "", folder_));
  EXPECT_EQ(ReadFile(folder_ / "adapter_config.json")->find("all-linear"), std::string::npos);
  EXPECT_TRUE(LoadAdapter(folder_, config));
}

TEST_F(Files, WrongAdapterSettingsAreUsageErrors) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  const auto message = [&](const LoraConfig& lora) {
    const auto adapter = MakeAdapter(config, lora, 1);
    EXPECT_EQ(adapter.error().code, ErrorCode::kUsage);
    return adapter.error().message;
  };
  EXPECT_NE(message({.target_modules = {"q_proj", "lm_head"}}).find("\"lm_head\""),
            std::string::npos);
  EXPECT_NE(message({.target_modules = {}}).find("empty"), std::string::npos);
  EXPECT_NE(message({.r = 0}).find("lora.r"), std::string::npos);
  EXPECT_NE(message({.lora_alpha = 0}).find("lora.lora_alpha"), std::string::npos);
}

TEST_F(Files, DamagedAdaptersSayWhatIsWrong) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  const LoraConfig lora{.r = 4, .target_modules = {"q_proj"}};
  const auto fresh = [&] {
    Adapter adapter = ToyAdapter(config, lora);
    ASSERT_TRUE(SaveAdapter(adapter, config, "", folder_));
  };
  const auto expect = [&](const std::string& part) {
    const auto adapter = LoadAdapter(folder_, config);
    ASSERT_FALSE(adapter) << part;
    EXPECT_EQ(adapter.error().code, ErrorCode::kBadFile);
    EXPECT_NE(adapter.error().message.find(part), std::string::npos) << adapter.error().message;
  };
  const std::vector<std::array<std::string, 3>> edits = {
      {"\"use_dora\": false", "\"use_dora\": true", "\"use_dora\""},
      {"\"rank_pattern\": {}", "\"rank_pattern\": {\"q_proj\": 2}", "\"rank_pattern\""},
      {"\"bias\": \"none\"", "\"bias\": \"all\"", "\"bias\""},
      {"\"peft_type\": \"LORA\"", "\"peft_type\": \"IA3\"", "\"IA3\""},
      {"\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"", "\"pissa\""},
      {"\"r\": 4", "\"r\": 0", "\"r\" is 0"},
      {"\"r\": 4", "\"r\": 5", "expected \"r\" = 5 rows"},
      {"\"lora_alpha\": 32", "\"lora_alpha\": -1", "\"lora_alpha\""},
      {"\"q_proj\"", "\"k_proj\"", "does not name model.layers.0.self_attn.q_proj"},
      {"\"q_proj\"", "7", "holds 7"},
      {"\"target_modules\": [", "\"target_modules\": 5, \"ignored\": [", "is 5, expected a list"},
      {"{", "[", "adapter_config.json"},
  };
  for (const auto& [from, to, part] : edits) {
    fresh();
    Replace("adapter_config.json", from, to);
    expect(part);
  }
  fresh();
  Write("adapter_config.json", "[]");
  expect("expected a JSON object");
}

TEST_F(Files, DamagedAdapterTensorsSayWhatIsWrong) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  const LoraConfig lora{.r = 4, .target_modules = {"q_proj"}};
  const auto expect = [&](const std::string& part, auto&& edit) {
    Adapter adapter = ToyAdapter(config, lora);
    ASSERT_TRUE(SaveAdapter(adapter, config, "", folder_));
    std::vector<FloatTensor> tensors;
    for (const Parameter& p : AdapterTensors(adapter)) {
      tensors.push_back({p.name, p.shape, ReadParameter(p)});
    }
    edit(tensors);
    ASSERT_TRUE(WriteSafetensors(folder_ / "adapter_model.safetensors", tensors));
    const auto back = LoadAdapter(folder_, config);
    ASSERT_FALSE(back) << part;
    EXPECT_EQ(back.error().code, ErrorCode::kBadFile);
    EXPECT_NE(back.error().message.find(part), std::string::npos) << back.error().message;
  };
  using Tensors = std::vector<FloatTensor>;
  expect("lora_B.weight is missing", [](Tensors& t) { t.erase(t.begin() + 1); });
  expect("embed_tokens", [](Tensors& t) {
    t.push_back({"base_model.model.model.embed_tokens.lora_embedding_A", {1}, {0.0f}});
  });
  expect("has no tensors", [](Tensors& t) { t.clear(); });
  expect("expected [36, 4]", [](Tensors& t) { t[1].shape = {4, 36}; });
  expect("NaN", [](Tensors& t) { t[0].values[3] = std::numeric_limits<float>::quiet_NaN(); });
}

TEST_F(Files, MergingAddsTheScaledProductAndRefusesInfinity) {
  Model model = Toy(ToyKind::kQwen2, true, Precision::kF32);
  Adapter adapter = ToyAdapter(model.config, {.r = 2, .target_modules = {"v_proj"}});
  Model merged = Toy(ToyKind::kQwen2, true, Precision::kF32);
  ASSERT_TRUE(MergeAdapter(adapter, model.config, merged.weights));
  const Compute compute(pool_);
  const auto ids = RandomIds(model.config, 20, 1);
  const auto with = RunWhole({model, &adapter}, compute, {ids})[0];
  const auto folded = RunWhole({merged}, compute, {ids})[0];
  const auto without = RunWhole({model}, compute, {ids})[0];
  float change = 0;
  for (std::size_t i = 0; i < with.size(); ++i) {
    EXPECT_NEAR(with[i], folded[i], 1e-4);
    change = std::max(change, std::abs(with[i] - without[i]));
  }
  EXPECT_GT(change, 0.01f);
  std::vector<Parameter> tensors = AdapterTensors(adapter);
  WriteParameter(tensors[1], std::vector<float>(tensors[1].shape[0] * 2, 3e38f));
  const Status status = MergeAdapter(adapter, model.config, merged.weights);
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("v_proj"), std::string::npos);
}

}  // namespace
}  // namespace pawl
