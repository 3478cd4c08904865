// Model folders and config.json.
#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "base/json.h"
#include "base/philox.h"
#include "checkpoint/model_config.h"
#include "checkpoint/model_files.h"
#include "checkpoint/raw_file.h"
#include "support/fault_files.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

// A complete config in the older dialect; `change` is merged into it, null deletes a key.
std::string Config(const Json& change = Json::object()) {
  Json json = {{"architectures", {"LlamaForCausalLM"}},
               {"model_type", "llama"},
               {"vocab_size", 11},
               {"hidden_size", 8},
               {"intermediate_size", 12},
               {"num_hidden_layers", 2},
               {"num_attention_heads", 2},
               {"num_key_value_heads", 1},
               {"head_dim", 4},
               {"rms_norm_eps", 1e-5},
               {"rope_theta", 500000.0},
               {"max_position_embeddings", 64},
               {"tie_word_embeddings", true},
               {"torch_dtype", "bfloat16"},
               {"eos_token_id", 2}};
  json.merge_patch(change);
  return json.dump();
}
ModelConfig Parsed(const Json& change = Json::object()) {
  const auto config = ParseModelConfig(Config(change), "config.json");
  EXPECT_TRUE(config) << config.error().message;
  return config.value_or(ModelConfig{});
}
// What comes after "config.json: " in the error.
std::string Problem(const Json& change) {
  const auto config = ParseModelConfig(Config(change), "config.json");
  if (config) return "";
  EXPECT_EQ(config.error().code, ErrorCode::kBadFile);
  EXPECT_EQ(config.error().message.substr(0, 11), "config.json");
  return config.error().message;
}
void Expect(const Json& change, const std::string& key, const std::string& part) {
  const std::string problem = Problem(change);
  EXPECT_NE(problem.find("\"" + key + "\""), std::string::npos) << change << "\n" << problem;
  EXPECT_NE(problem.find(part), std::string::npos) << change << "\n" << problem;
}

TEST(ModelConfigText, BothDialectsGiveTheSameConfig) {
  const ModelConfig old = Parsed({{"rope_scaling",
                                   {{"type", "llama3"},
                                    {"factor", 8.0},
                                    {"low_freq_factor", 1.0},
                                    {"high_freq_factor", 4.0},
                                    {"original_max_position_embeddings", 32}}}});
  const ModelConfig late = Parsed({{"rope_theta", nullptr},
                                   {"torch_dtype", nullptr},
                                   {"dtype", "bfloat16"},
                                   {"layer_types", {"full_attention", "full_attention"}},
                                   {"rope_parameters",
                                    {{"rope_theta", 500000.0},
                                     {"rope_type", "llama3"},
                                     {"factor", 8.0},
                                     {"low_freq_factor", 1.0},
                                     {"high_freq_factor", 4.0},
                                     {"original_max_position_embeddings", 32}}}});
  for (const ModelConfig& config : {old, late}) {
    EXPECT_EQ(config.rope.theta, 500000.0);
    EXPECT_EQ(config.rope.type, RopeType::kLlama3);
    EXPECT_EQ(config.rope.factor, 8);
    EXPECT_EQ(config.rope.high_freq_factor, 4);
    EXPECT_EQ(config.rope.original_max_position_embeddings, 32u);
    EXPECT_EQ(config.dtype, "bfloat16");
    EXPECT_EQ(config.vocab_size, 11u);
    EXPECT_EQ(config.rms_norm_eps, 1e-5f);
    EXPECT_TRUE(config.tie_word_embeddings);
  }
  EXPECT_EQ(Parsed({{"rope_scaling", {{"rope_type", "linear"}, {"factor", 2}}}}).rope.type,
            RopeType::kLinear);
  EXPECT_EQ(Parsed({{"rope_scaling", {{"rope_type", "default"}}}}).rope.type, RopeType::kDefault);
}

TEST(ModelConfigText, ArchitecturesDifferInBiasesAndNormsOnly) {
  const auto flags = [](const char* name, bool bias) {
    const ModelConfig c = Parsed({{"architectures", {name}}, {"attention_bias", bias}});
    return std::array{c.attention_bias_qkv, c.attention_bias_o, c.qk_norm};
  };
  EXPECT_EQ(flags("Qwen2ForCausalLM", false), (std::array{true, false, false}));
  EXPECT_EQ(flags("Qwen3ForCausalLM", false), (std::array{false, false, true}));
  EXPECT_EQ(flags("Qwen3ForCausalLM", true), (std::array{true, true, true}));
  EXPECT_EQ(flags("LlamaForCausalLM", false), (std::array{false, false, false}));
  EXPECT_EQ(flags("LlamaForCausalLM", true), (std::array{true, true, false}));
  EXPECT_EQ(Parsed({{"architectures", nullptr}, {"model_type", "qwen2"}}).architecture,
            "Qwen2ForCausalLM");
}

TEST(ModelConfigText, MissingKeysHaveHuggingFacesDefaults) {
  const ModelConfig config = Parsed({{"rope_theta", nullptr},
                                     {"rms_norm_eps", nullptr},
                                     {"tie_word_embeddings", nullptr},
                                     {"num_key_value_heads", nullptr},
                                     {"head_dim", nullptr},
                                     {"eos_token_id", nullptr}});
  EXPECT_EQ(config.rope.theta, 10000);
  EXPECT_EQ(config.rms_norm_eps, 1e-6f);
  EXPECT_FALSE(config.tie_word_embeddings);
  EXPECT_EQ(config.num_key_value_heads, 2u);
  EXPECT_EQ(config.head_dim, 4u);
  EXPECT_TRUE(config.eos_token_ids.empty());
  EXPECT_EQ(config.bos_token_id, -1);
  EXPECT_EQ(Parsed({{"architectures", {"Qwen3ForCausalLM"}}, {"head_dim", nullptr}}).head_dim,
            128u);
}

TEST(ModelConfigText, WhatWouldChangeTheComputationIsRefusedByName) {
  Expect({{"architectures", {"MistralForCausalLM"}}}, "architectures", "Qwen3ForCausalLM");
  Expect({{"architectures", Json::array()}}, "architectures", "a list");
  Expect({{"architectures", nullptr}, {"model_type", "gpt2"}}, "model_type", "architectures");
  Expect({{"hidden_act", "gelu"}}, "hidden_act", "silu");
  Expect({{"use_sliding_window", true}}, "use_sliding_window", "not supported");
  Expect({{"mlp_bias", true}}, "mlp_bias", "not supported");
  Expect({{"use_mrope", true}}, "use_mrope", "not supported");
  Expect({{"rope_interleaved", true}}, "rope_interleaved", "not supported");
  Expect({{"quantization_config", {{"bits", 4}}}}, "quantization_config", "not supported");
  Expect({{"layer_types", {"full_attention", "sliding_attention"}}}, "layer_types",
         "full_attention");
  Expect({{"partial_rotary_factor", 0.5}}, "partial_rotary_factor", "not supported");
  Expect({{"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}}},
         "partial_rotary_factor", "not supported");
  Expect({{"rope_scaling", {{"rope_type", "yarn"}, {"factor", 4}}}}, "rope_type", "linear");
  Expect({{"rope_scaling", {{"factor", 4}}}}, "rope_type", "missing");
  Expect({{"rope_scaling", 4}}, "rope_scaling", "an object");
  Expect({{"rope_scaling", {{"rope_type", "linear"}}}}, "factor", "missing");
  Expect({{"rope_scaling", {{"rope_type", "llama3"}, {"factor", 4}}}}, "low_freq_factor",
         "missing");
  Expect({{"rope_scaling",
           {{"rope_type", "llama3"},
            {"factor", 4},
            {"low_freq_factor", 4},
            {"high_freq_factor", 4},
            {"original_max_position_embeddings", 8}}}},
         "high_freq_factor", "more than low_freq_factor");
}

TEST(ModelConfigText, SizesThatMakeNoModelAreRefused) {
  for (const char* key :
       {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings"}) {
    for (const Json& bad : {Json(0), Json(-1), Json(2.0), Json("8"), Json(2147483648u),
                            Json(18446744073709551615u), Json(true), Json::array()}) {
      Expect({{key, bad}}, key, "a whole number");
    }
  }
  Expect({{"vocab_size", nullptr}}, "vocab_size", "missing");
  Expect({{"num_hidden_layers", 100000}}, "num_hidden_layers", "from 1 to");
  Expect({{"num_attention_heads", 3}, {"head_dim", nullptr}}, "num_attention_heads",
         "a divisor of hidden_size 8");
  Expect({{"num_attention_heads", 4}, {"num_key_value_heads", 3}}, "num_key_value_heads",
         "a divisor of num_attention_heads 4");
  Expect({{"head_dim", 3}}, "head_dim", "an even number");
  Expect({{"head_dim", 16777216}}, "head_dim", "at most");
  for (const Json& bad : {Json(0), Json(-1e-6), Json("1e-6"), Json(false)}) {
    Expect({{"rms_norm_eps", bad}}, "rms_norm_eps", "above 0");
    Expect({{"rope_theta", bad}}, "rope_theta", "above 0");
  }
  Expect({{"tie_word_embeddings", 1}}, "tie_word_embeddings", "true or false");
  Expect({{"eos_token_id", 11}}, "eos_token_id", "below 11");
  Expect({{"eos_token_id", {2, -1}}}, "eos_token_id", "below 11");
  Expect({{"eos_token_id", "2"}}, "eos_token_id", "below 11");
  EXPECT_EQ(ParseModelConfig("[]", "config.json").error().message,
            "config.json: is not a JSON object");
  EXPECT_EQ(ParseModelConfig("{\"rope_theta\":NaN}", "c").error().code, ErrorCode::kBadFile);
}

TEST(ModelConfigText, NoMutationOfATextCrashesTheParser) {
  const std::string whole = Config({{"rope_scaling", {{"rope_type", "linear"}, {"factor", 2}}}});
  RandomStream random({.seed = 2, .purpose = RandomPurpose::kTest, .item = 0, .sample = 0});
  const std::string tokens = "{}[]\",:0123456789-e.ntf";
  for (int round = 0; round < 4000; ++round) {
    std::string text = whole;
    for (std::uint32_t i = random.Below(3) + 1; i > 0; --i) {
      text[random.Below(static_cast<std::uint32_t>(text.size()))] =
          tokens[random.Below(static_cast<std::uint32_t>(tokens.size()))];
    }
    const auto config = ParseModelConfig(text, "config.json");
    if (!config) {
      ASSERT_EQ(config.error().code, ErrorCode::kBadFile);
    } else if (config->num_hidden_layers < 100) {
      ASSERT_FALSE(ExpectedTensors(*config).empty());
    }
  }
}

TEST(ModelConfigText, AWrittenConfigReadsBackTheSame) {
  for (const char* name : {"Qwen2ForCausalLM", "Qwen3ForCausalLM", "LlamaForCausalLM"}) {
    const ModelConfig a = Parsed({{"architectures", {name}},
                                  {"eos_token_id", {2, 5}},
                                  {"rope_scaling",
                                   {{"rope_type", "llama3"},
                                    {"factor", 8.0},
                                    {"low_freq_factor", 1.0},
                                    {"high_freq_factor", 4.0},
                                    {"original_max_position_embeddings", 32}}}});
    const auto b = ParseModelConfig(WriteModelConfig(a), "config.json");
    ASSERT_TRUE(b) << b.error().message;
    EXPECT_EQ(WriteModelConfig(*b), WriteModelConfig(a));
    EXPECT_EQ(b->architecture, name);
    EXPECT_EQ(b->eos_token_ids, a.eos_token_ids);
    EXPECT_EQ(b->attention_bias_qkv, a.attention_bias_qkv);
    EXPECT_EQ(b->rms_norm_eps, a.rms_norm_eps);
    EXPECT_EQ(b->rope.original_max_position_embeddings, 32u);
    EXPECT_EQ(b->head_dim, a.head_dim);
  }
}

// A folder with the model of Config().
class ModelFolder : public testing::Test {
 protected:
  void SetUp() override {
    Put(folder_ / "config.json", Config());
    config_ = Parsed();
    for (const ExpectedTensor& tensor : ExpectedTensors(config_)) {
      std::size_t count = 1;
      for (const std::size_t dim : tensor.shape) count *= dim;
      tensors_.push_back({tensor.name, tensor.shape, std::vector<float>(count, 0.5f)});
    }
    Write();
  }
  void Write() { ASSERT_TRUE(WriteSafetensors(folder_ / "model.safetensors", tensors_)); }
  // Splits the tensors over shards a and b; index: what weight_map says, else the truth.
  void Shard(const Json& index = nullptr) {
    fs::remove(folder_ / "model.safetensors");
    const auto half = tensors_.begin() + static_cast<std::ptrdiff_t>(tensors_.size() / 2);
    ASSERT_TRUE(WriteSafetensors(folder_ / "a.safetensors", {tensors_.begin(), half}));
    ASSERT_TRUE(WriteSafetensors(folder_ / "b.safetensors", {half, tensors_.end()}));
    Json map = Json::object();
    for (auto t = tensors_.begin(); t != tensors_.end(); ++t) {
      map[t->name] = t < half ? "a.safetensors" : "b.safetensors";
    }
    if (!index.is_null()) map.merge_patch(index);
    Put(folder_ / "model.safetensors.index.json", Json{{"weight_map", map}}.dump());
  }
  Error OpenError() {
    const auto store = TensorStore::Open(folder_.path());
    EXPECT_FALSE(store);
    return store ? Error{} : store.error();
  }
  std::string Problems() {
    const auto store = TensorStore::Open(folder_.path());
    EXPECT_TRUE(store) << store.error().message;
    const Status status = ValidateTensors(*store, config_);
    if (status) return "";
    EXPECT_EQ(status.error().code, ErrorCode::kBadFile);
    return status.error().message;
  }
  TemporaryFolder folder_;
  ModelConfig config_;
  std::vector<FloatTensor> tensors_;
};

TEST_F(ModelFolder, SingleAndShardedFilesReadTheSameThroughLinksToo) {
  EXPECT_EQ(Problems(), "");
  Shard();
  EXPECT_EQ(Problems(), "");
  const TensorStore store = *TensorStore::Open(folder_.path());
  const auto entry = store.Find("model.norm.weight");
  ASSERT_NE(entry.file, nullptr);
  EXPECT_EQ(entry.file->ReadFloats("model.norm.weight")->size(), 8u);
  EXPECT_EQ(store.Find("none").file, nullptr);
  fs::create_directories(folder_ / "blobs");
  fs::rename(folder_ / "b.safetensors", folder_ / "blobs" / "123");
  fs::create_symlink("blobs/123", folder_ / "b.safetensors");
  EXPECT_EQ(Problems(), "");
}

TEST_F(ModelFolder, FoldersThatAreNoModelSayWhatIsMissing) {
  EXPECT_EQ(TensorStore::Open(folder_ / "none").error().code, ErrorCode::kUsage);
  EXPECT_EQ(TensorStore::Open(folder_ / "config.json").error().code, ErrorCode::kUsage);
  EXPECT_EQ(LoadModelConfig(folder_ / "none").error().code, ErrorCode::kUsage);
  fs::remove(folder_ / "model.safetensors");
  EXPECT_EQ(OpenError().code, ErrorCode::kBadFile);
  EXPECT_NE(OpenError().message.find("has neither model.safetensors nor"), std::string::npos);
}

TEST_F(ModelFolder, ABrokenIndexNamesTheShardAndTheTensor) {
  const auto expect = [&](const std::string& part) {
    const Error error = OpenError();
    EXPECT_EQ(error.code, ErrorCode::kBadFile);
    EXPECT_NE(error.message.find(part), std::string::npos) << error.message;
  };
  for (const char* name :
       {"../a.safetensors", "/etc/passwd", "x/a.safetensors", "..", ".", "", "x\\a.safetensors"}) {
    Shard({{"model.norm.weight", name}});
    expect("expected a plain file name");
  }
  Shard({{"model.norm.weight", 3}});
  expect("expected a plain file name");
  Shard({{"model.norm.weight", "c.safetensors"}});
  expect("c.safetensors: the shard is missing");
  Shard({{"model.norm.weight", "a.safetensors"}});
  expect("a.safetensors: tensor 'model.norm.weight' is missing; the index says it is here");
  Shard();
  const std::string shard = *ReadFile(folder_ / "b.safetensors");
  Put(folder_ / "b.safetensors", shard.substr(0, shard.size() - 4));
  expect("b.safetensors: tensors need");
  Shard();
  fs::copy_file(folder_ / "a.safetensors", folder_ / "c.safetensors");
  Shard({{"extra", "c.safetensors"}});
  expect("tensor 'extra' is missing");
  Shard({{"model.embed_tokens.weight", "c.safetensors"}});
  expect("is in two shards");
  for (const char* text : {"{}", "[]", "{\"weight_map\":[]}", "{\"weight_map\":", ""}) {
    Put(folder_ / "model.safetensors.index.json", text);
    expect("model.safetensors.index.json");
  }
}

TEST_F(ModelFolder, EveryMismatchWithTheConfigIsListed) {
  tensors_.erase(tensors_.begin());  // model.embed_tokens.weight
  tensors_.back().shape = {2, 4};    // model.norm.weight
  tensors_.push_back({"model.layers.2.mlp.up_proj.weight", {1}, {0}});
  Write();
  const std::string problems = Problems();
  for (const char* part : {"'model.embed_tokens.weight' [11, 8] is missing",
                           "'model.norm.weight' has shape [2, 4], config.json needs [8]",
                           "'model.layers.2.mlp.up_proj.weight' [1] is not part of Llama"}) {
    EXPECT_NE(problems.find(part), std::string::npos) << problems;
  }
}

TEST_F(ModelFolder, ATiedModelMayHaveItsHeadTwiceAndAnUntiedOneNeedsIt) {
  tensors_.push_back({"lm_head.weight", {11, 8}, std::vector<float>(88)});
  tensors_.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", {2}, {1, 1}});
  Write();
  EXPECT_EQ(Problems(), "");
  config_ = Parsed({{"tie_word_embeddings", false}});
  EXPECT_EQ(Problems(), "");
  tensors_.erase(tensors_.end() - 2);
  Write();
  EXPECT_NE(Problems().find("'lm_head.weight' [11, 8] is missing"), std::string::npos);
}

TEST_F(ModelFolder, TypesThatCannotBeWeightsAndMoreRowsThanStoredAreRefused) {
  config_.vocab_size = 12;
  EXPECT_NE(Problems().find("has shape [11, 8], config.json needs [12, 8]"), std::string::npos);
  config_ = Parsed();
  std::vector<TensorSpec> specs;
  std::size_t bytes = 0;
  for (const FloatTensor& tensor : tensors_) {
    specs.push_back({tensor.name, DType::kF64, tensor.shape});
    bytes += tensor.values.size() * 8;
  }
  auto writer = SafetensorsWriter::Create(folder_ / "model.safetensors", specs);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->Append(std::vector<std::byte>(bytes)));
  ASSERT_TRUE(writer->Finish());
  EXPECT_NE(Problems().find("is F64, supported are F32, F16 and BF16"), std::string::npos);
  EXPECT_NE(Problems().find("and 10 more"), std::string::npos);  // 20 tensors, ten are listed
}

TEST_F(ModelFolder, StopIdsAreThoseOfBothFilesOnceEach) {
  EXPECT_EQ(*LoadStopIds(folder_.path()), std::vector<std::int32_t>{2});
  Put(folder_ / "generation_config.json", R"({"eos_token_id":[7,2,5],"temperature":0.1})");
  EXPECT_EQ(*LoadStopIds(folder_.path()), (std::vector<std::int32_t>{2, 5, 7}));
  for (const char* bad : {R"({"eos_token_id":[99]})", R"({"eos_token_id":"x"})", "[]", "{"}) {
    Put(folder_ / "generation_config.json", bad);
    const auto ids = LoadStopIds(folder_.path());
    ASSERT_FALSE(ids) << bad;
    EXPECT_EQ(ids.error().code, ErrorCode::kBadFile);
    EXPECT_NE(ids.error().message.find("generation_config.json"), std::string::npos);
  }
}

TEST(ReferenceModels, OpenAndValidate) {
  PAWL_NEED_SHARED();
  int count = 0;
  for (const char* place : {"oracle/models", "oracle/gguf"}) {
    for (const auto& entry : fs::directory_iterator(SharedDir() / place)) {
      const fs::path folder = fs::exists(entry.path() / "hf") ? entry.path() / "hf" : entry.path();
      if (!fs::exists(folder / "config.json")) continue;
      const auto config = LoadModelConfig(folder);
      ASSERT_TRUE(config) << config.error().message;
      const auto store = TensorStore::Open(folder);
      ASSERT_TRUE(store) << store.error().message;
      const Status valid = ValidateTensors(*store, *config);
      EXPECT_TRUE(valid) << valid.error().message;
      EXPECT_FALSE(LoadStopIds(folder)->empty());
      ++count;
    }
  }
  EXPECT_GE(count, 11);
}

// Parameters of published models, from their sizes alone.
TEST(ReferenceModels, CountsOfParametersAreThoseOfThePublishedModels) {
  const auto count = [](const ModelConfig& config) {
    std::size_t total = 0;
    for (const ExpectedTensor& tensor : ExpectedTensors(config)) {
      std::size_t elements = 1;
      for (const std::size_t dim : tensor.shape) elements *= dim;
      total += elements;
    }
    return total;
  };
  const auto config = [](const char* architecture, std::size_t vocab, std::size_t hidden,
                         std::size_t intermediate, std::size_t layers, std::size_t heads,
                         std::size_t kv, std::size_t head_dim) {
    return Parsed({{"architectures", {architecture}},
                   {"vocab_size", vocab},
                   {"hidden_size", hidden},
                   {"intermediate_size", intermediate},
                   {"num_hidden_layers", layers},
                   {"num_attention_heads", heads},
                   {"num_key_value_heads", kv},
                   {"head_dim", head_dim}});
  };
  EXPECT_EQ(count(config("Qwen2ForCausalLM", 151936, 896, 4864, 24, 14, 2, 64)), 494'032'768u);
  EXPECT_EQ(count(config("Qwen3ForCausalLM", 151936, 1024, 3072, 28, 16, 8, 128)), 596'049'920u);
  EXPECT_EQ(count(config("LlamaForCausalLM", 49152, 576, 1536, 30, 9, 3, 64)), 134'515'008u);
  EXPECT_EQ(count(config("LlamaForCausalLM", 128256, 2048, 8192, 16, 32, 8, 64)), 1'235'814'400u);
  const ModelConfig qwen = config("Qwen2ForCausalLM", 151936, 896, 4864, 24, 14, 2, 64);
  EXPECT_EQ(ExpectedTensors(qwen).size(), 290u);
}

}  // namespace
}  // namespace pawl
