// pawl export: a model that transformers and peft load.
#include <fmt/format.h>

#include <filesystem>

#include "apps/output_path.h"
#include "apps/policy.h"
#include "apps/verbs.h"

namespace pawl {
namespace {
namespace fs = std::filesystem;

struct Flags {
  PolicyFlags policy;
  std::string format = "safetensors", out, dtype;
};

// Files that go along unchanged.
Status CopyTokenizer(const fs::path& from, const fs::path& to) {
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt"}) {
    std::error_code failed;
    if (!fs::exists(from / name, failed)) continue;
    fs::copy_file(from / name, to / name, fs::copy_options::overwrite_existing, failed);
    if (failed) {
      return Fail(ErrorCode::kResources,
                  fmt::format("{}: cannot be copied: {}", (to / name).string(), failed.message()));
    }
  }
  return {};
}

Result<std::string> DTypeOf(const Flags& flags, const Model& model) {
  if (flags.dtype.empty()) return model.config.dtype;
  for (const auto& [given, name] :
       {std::pair{"f32", "float32"}, std::pair{"float32", "float32"}, std::pair{"bf16", "bfloat16"},
        std::pair{"bfloat16", "bfloat16"}, std::pair{"f16", "float16"},
        std::pair{"float16", "float16"}}) {
    if (flags.dtype == given) return std::string(name);
  }
  return Usage(fmt::format("--dtype: unknown \"{}\", known: f32, bf16, f16", flags.dtype));
}

Status Run(const Flags& flags) {
  if (flags.format != "safetensors" && flags.format != "peft") {
    return Usage(fmt::format("--format: unknown \"{}\", known: safetensors, peft", flags.format));
  }
  std::error_code failed;
  if (fs::exists(flags.out, failed) && !fs::is_empty(flags.out, failed)) {
    return Usage(fmt::format("--out {}: exists and is not empty; choose a new folder", flags.out));
  }
  PAWL_TRY(CheckOutputFolder("--out", flags.out));
  PolicyFlags policy = flags.policy;
  // Merged weights are rounded once, from float32.
  policy.precision = flags.format == "safetensors" ? "f32" : "";
  PAWL_ASSIGN(const auto loaded, LoadPolicy(policy, TokenizerNeed::kNone));
  fs::create_directories(flags.out, failed);
  if (failed) {
    return Fail(ErrorCode::kResources,
                fmt::format("{}: cannot be made: {}", flags.out, failed.message()));
  }
  if (flags.format == "peft") {
    if (!loaded->adapter) {
      return Usage(fmt::format("{}: has no adapter; --format safetensors exports full models",
                               flags.policy.model));
    }
    PAWL_TRY(SaveAdapter(*loaded->adapter, loaded->model.config,
                         fs::absolute(loaded->located.folder).string(), flags.out));
  } else {
    if (loaded->adapter) {
      PAWL_TRY(MergeAdapter(*loaded->adapter, loaded->model.config, loaded->model.weights));
    }
    PAWL_ASSIGN(const std::string dtype, DTypeOf(flags, loaded->model));
    PAWL_TRY(SaveModel(loaded->model, dtype, flags.out));
  }
  return CopyTokenizer(loaded->located.tokenizer, flags.out);
}

}  // namespace

void AddExport(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      AddVerb(app, "export", "a model that transformers and peft load",
              "pawl export runs/quickstart/final_model --format safetensors --out out");
  AddPolicyFlags(*verb, flags->policy);
  verb->add_option("--format", flags->format, "safetensors (merged) or peft (adapter only)");
  verb->add_option("--out", flags->out, "folder to write; must be new or empty")->required();
  verb->add_option("--dtype", flags->dtype, "f32, bf16 or f16 (default: as stored)");
  verb->callback([flags, &result] { result.status = Run(*flags); });
}

}  // namespace pawl
