// The folders of ../shared/oracle with one thing wrong: an error of a bad file that names the file,
// the place, what was found and what was expected.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>

#include "model/adapter.h"
#include "model/model.h"
#include "model/oracle.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

// A safetensors file taken apart: what a test changes, and put together again.
struct RawTensors {
  Json header;
  std::string data;

  explicit RawTensors(const fs::path& file) {
    const std::string bytes = *ReadFile(file);
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    header = *ParseJson(std::string_view(bytes).substr(8, length), "header");
    data = bytes.substr(8 + length);
  }
  void Write(const fs::path& file) const {
    const std::string text = WriteJson(header);
    const std::uint64_t length = text.size();
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(&length), 8);
    out << text << data;
  }
  void Remove(const std::string& name) {
    const std::size_t begin = header[name]["data_offsets"][0],
                      end = header[name]["data_offsets"][1];
    data.erase(begin, end - begin);
    header.erase(name);
    for (auto& [other, entry] : header.items()) {
      if (other == "__metadata__" || entry["data_offsets"][0].get<std::size_t>() < end) continue;
      for (Json& offset : entry["data_offsets"]) offset = offset.get<std::size_t>() - (end - begin);
    }
  }
  void Transpose(const std::string& name) {
    std::swap(header[name]["shape"][0], header[name]["shape"][1]);
  }
  void Put(const std::string& name, std::size_t offset, std::string_view bytes) {
    data.replace(header[name]["data_offsets"][0].get<std::size_t>() + offset, bytes.size(), bytes);
  }
};

constexpr const char* kWeight = "model.layers.0.mlp.up_proj.weight";
constexpr const char* kFactor = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";

class DamagedOracle : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / "pawl_damaged_oracle";
    Clear();
  }
  void TearDown() override { Clear(); }
  void Clear() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  // A copy that can be changed.
  void Copy(const char* kind, const std::string& name) {
    Clear();
    fs::create_directories(folder_);
    for (const auto& entry : fs::directory_iterator(SharedDir() / "oracle" / kind / name)) {
      fs::copy_file(entry.path(), folder_ / entry.path().filename());
      fs::permissions(folder_ / entry.path().filename(), fs::perms::owner_write,
                      fs::perm_options::add);
    }
  }
  void Edit(const char* file, const std::function<void(RawTensors&)>& change) {
    RawTensors raw(folder_ / file);
    change(raw);
    raw.Write(folder_ / file);
  }
  void ExpectBad(const Error& error, const std::vector<std::string>& parts) {
    EXPECT_EQ(error.code, ErrorCode::kBadFile);
    EXPECT_EQ(error.message.find('\n'), std::string::npos);
    for (const std::string& part : parts) {
      EXPECT_NE(error.message.find(part), std::string::npos) << part << "\nin " << error.message;
    }
  }
  // The model `name` after `change` of its weights.
  void ExpectBadModel(const std::string& name, const std::vector<std::string>& parts,
                      const std::function<void(RawTensors&)>& change) {
    SCOPED_TRACE(name);
    Copy("models", name);
    Edit("model.safetensors", change);
    const auto model = LoadModel(folder_, Precision::kStored, pool_);
    ASSERT_FALSE(model);
    std::vector<std::string> all = parts;
    all.push_back((folder_ / "model.safetensors").string() + ": ");
    ExpectBad(model.error(), all);
  }
  ModelConfig BaseConfig(const std::string& name) {
    return *LoadModelConfig(SharedDir() / "oracle" / "models" / name);
  }

  fs::path folder_;
  ThreadPool pool_{1};
};

TEST_F(DamagedOracle, AModelWithoutATensorOrWithOneTransposedIsRefused) {
  PAWL_NEED_SHARED();
  ExpectBadModel("qwen2_tied_f32", {kWeight, "[176, 64] is missing"},
                 [](RawTensors& raw) { raw.Remove(kWeight); });
  ExpectBadModel("qwen3_f32", {"'model.layers.0.self_attn.q_norm.weight'", "is missing"},
                 [](RawTensors& raw) { raw.Remove("model.layers.0.self_attn.q_norm.weight"); });
  ExpectBadModel("qwen2_tied_f32", {kWeight, "has shape [64, 176], config.json needs [176, 64]"},
                 [](RawTensors& raw) { raw.Transpose(kWeight); });
}

TEST_F(DamagedOracle, AModelWithATensorOfAnotherTypeIsRefused) {
  PAWL_NEED_SHARED();
  ExpectBadModel("qwen2_tied_f32", {kWeight, "is I32, supported are F32, F16 and BF16"},
                 [](RawTensors& raw) { raw.header[kWeight]["dtype"] = "I32"; });
  ExpectBadModel("qwen2_tied_f32", {kWeight, "span 45056 bytes, expected 22528 for F16"},
                 [](RawTensors& raw) { raw.header[kWeight]["dtype"] = "F16"; });
  // The same number of bytes: read as the other type they would be other numbers.
  ExpectBadModel("qwen2_untied_bf16", {kWeight, "is F16, tensors before it are BF16"},
                 [](RawTensors& raw) { raw.header[kWeight]["dtype"] = "F16"; });
  ExpectBadModel("qwen2_f16", {kWeight, "is BF16, tensors before it are F16"},
                 [](RawTensors& raw) { raw.header[kWeight]["dtype"] = "BF16"; });
}

TEST_F(DamagedOracle, AModelWithANumberThatIsNotFiniteIsRefused) {
  PAWL_NEED_SHARED();
  const auto put = [](std::size_t offset, std::string bytes) {
    return [=](RawTensors& raw) { raw.Put(kWeight, offset, bytes); };
  };
  ExpectBadModel("qwen2_tied_f32", {kWeight, "NaN at element 10", "expected finite"},
                 put(40, std::string("\0\0\xC0\x7F", 4)));
  ExpectBadModel("qwen2_f16", {kWeight, "an infinity at element 3", "expected finite"},
                 put(6, std::string("\0\x7C", 2)));
  ExpectBadModel("qwen2_untied_bf16", {kWeight, "an infinity at element 3", "expected finite"},
                 put(6, "\x80\xFF"));
  ExpectBadModel("qwen2_untied_bf16", {kWeight, "NaN at element 0", "expected finite"},
                 put(0, "\xC0\x7F"));
  ExpectBadModel("llama_f32", {"model.norm.weight", "NaN at element 2"}, [](RawTensors& raw) {
    raw.Put("model.norm.weight", 8, std::string("\x01\0\x80\xFF", 4));
  });
}

TEST_F(DamagedOracle, AFolderWithoutOneOfItsFilesIsRefused) {
  PAWL_NEED_SHARED();
  Copy("models", "llama_f32");
  fs::remove(folder_ / "config.json");
  ExpectBad(LoadModel(folder_, Precision::kStored, pool_).error(), {"has no config.json"});
  const ModelConfig config = BaseConfig("qwen2_tied_f32");
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"}) {
    Copy("lora", "qwen2_r8_qv");
    fs::remove(folder_ / name);
    ExpectBad(LoadAdapter(folder_, config).error(), {std::string("has no ") + name});
  }
}

TEST_F(DamagedOracle, AnAdapterForAnotherModelOrWithABadTensorIsRefused) {
  PAWL_NEED_SHARED();
  const ModelConfig config = BaseConfig("qwen2_tied_f32");
  Copy("lora", "qwen2_r8_qv");
  ASSERT_TRUE(LoadAdapter(folder_, config));
  const std::string file = (folder_ / "adapter_model.safetensors").string() + ": ";
  ExpectBad(LoadAdapter(folder_, BaseConfig("qwen2_odd_shapes")).error(),
            {file, kFactor, "has shape [8, 64], expected [8, 56]"});
  ExpectBad(LoadAdapter(folder_, BaseConfig("qwen3_f32")).error(),
            {file, "lora_B.weight has shape [64, 8], expected [96, 8]"});
  const auto damaged = [&](const std::vector<std::string>& parts,
                           const std::function<void(RawTensors&)>& change) {
    Copy("lora", "qwen2_r8_qv");
    Edit("adapter_model.safetensors", change);
    std::vector<std::string> all = parts;
    all.push_back(file);
    ExpectBad(LoadAdapter(folder_, config).error(), all);
  };
  damaged({"lora_A.weight is missing"}, [](RawTensors& raw) { raw.Remove(kFactor); });
  damaged({kFactor, "is missing; \"target_modules\" in adapter_config.json names its module"},
          [](RawTensors& raw) {
            raw.Remove(kFactor);
            raw.Remove("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
          });
  damaged({kFactor, "has shape [64, 8], expected \"r\" = 8 rows"},
          [](RawTensors& raw) { raw.Transpose(kFactor); });
  damaged({kFactor, "is I32, expected F32"},
          [](RawTensors& raw) { raw.header[kFactor]["dtype"] = "I32"; });
  damaged({kFactor, "NaN or an infinity, expected finite"},
          [](RawTensors& raw) { raw.Put(kFactor, 4, std::string("\0\0\x80\x7F", 4)); });
}

TEST_F(DamagedOracle, AnAdapterOfSomeLayersIsReadAndSavedWithItsModulesByName) {
  PAWL_NEED_SHARED();
  const ModelConfig config = BaseConfig("qwen2_tied_f32");
  Copy("lora", "qwen2_r8_qv");
  Edit("adapter_model.safetensors", [](RawTensors& raw) {
    std::vector<std::string> names;
    for (const auto& [name, entry] : raw.header.items()) names.push_back(name);
    for (const std::string& name : names) {
      if (name != "__metadata__" && name.find(".layers.0.") == std::string::npos) raw.Remove(name);
    }
  });
  Json json = *ParseJson(*ReadFile(folder_ / "adapter_config.json"), "config");
  json["layers_to_transform"] = 0;
  std::ofstream(folder_ / "adapter_config.json") << WriteJson(json);
  const auto adapter = LoadAdapter(folder_, config);
  ASSERT_TRUE(adapter) << adapter.error().message;
  EXPECT_EQ(adapter->config.target_modules,
            (std::vector<std::string>{"model.layers.0.self_attn.q_proj",
                                      "model.layers.0.self_attn.v_proj"}));
}

TEST_F(DamagedOracle, AnAdapterConfigThatIsMalformedOrUnsupportedIsRefused) {
  PAWL_NEED_SHARED();
  const ModelConfig config = BaseConfig("qwen2_tied_f32");
  const auto set = [&](const char* key, const Json& value, const std::string& part) {
    Copy("lora", "qwen2_r8_qv");
    const fs::path file = folder_ / "adapter_config.json";
    Json json = *ParseJson(*ReadFile(file), "config");
    json[key] = value;
    std::ofstream(file) << WriteJson(json);
    ExpectBad(LoadAdapter(folder_, config).error(), {file.string() + ": ", part});
  };
  set("modules_to_save", {"lm_head"},
      "\"modules_to_save\" is [\"lm_head\"], which is not supported");
  set("r", "eight", "\"r\" is string, expected an integer");
  set("lora_alpha", nullptr, "\"lora_alpha\" is null, expected a number");
  set("use_dora", true, "\"use_dora\" is true, which is not supported");
  set("alpha_pattern", {{"q_proj", 3}}, "\"alpha_pattern\" is {\"q_proj\":3}");
  set("layers_to_transform", {0}, "\"layers_to_transform\" leaves out model.layers.1.");
  set("layers_to_transform", "all", "\"layers_to_transform\" is \"all\", expected layer numbers");
  set("exclude_modules", {"v_proj"}, "\"exclude_modules\" names model.layers.0.self_attn.v_proj");
  set("exclude_modules", ".*v_proj",
      "\"exclude_modules\" is \".*v_proj\", expected a list of names");
  Copy("lora", "qwen2_r8_qv");
  std::ofstream(folder_ / "adapter_config.json") << "{\"peft_type\": ";
  ExpectBad(LoadAdapter(folder_, config).error(), {"adapter_config.json: not valid JSON at byte"});
}

}  // namespace
}  // namespace pawl
