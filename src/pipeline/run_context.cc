#include "pipeline/run_context.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file_system.h"
#include "base/memory_limit.h"
#include "checkpoint/model_config.h"
#include "data/generator.h"
#include "model/locate.h"
#include "pipeline/new_model.h"
#include "train/memory_estimate.h"

namespace pawl {
namespace {

// Longest prompt and completion that the configuration could ask for.
std::size_t WantedPositions(const RunConfig& c) {
  std::size_t longest = 0;
  for (const StageConfig& stage : c.stages) {
    longest = std::max(longest, static_cast<std::size_t>(stage.max_completion_length));
  }
  return longest + 4096;
}

std::string Gigabytes(std::size_t bytes) {
  return fmt::format("{:.2f} GB", static_cast<double>(bytes) / 1e9);
}

// A limit that training would exceed is better met now than half-way.
Status CheckMemory(const RunConfig& c, const ModelConfig& model, WeightType storage) {
  const std::optional<MemoryLimit> limit = FindMemoryLimit();
  if (!limit) return {};
  LoraConfig lora;
  lora.r = c.lora.r;
  for (const StageConfig& stage : c.stages) {
    PAWL_ASSIGN(const StageSettings settings, ToSettings(stage));
    const MemoryEstimate needed =
        EstimateMemory(model, storage, c.lora.enabled ? &lora : nullptr, settings);
    if (needed.total() <= limit->bytes) continue;
    return Fail(
        ErrorCode::kNoCheckpoint,
        fmt::format("stage.{}: training needs about {} (weights {}, optimizer {}, activations {}, "
                    "rollout {}, rest {}), {} allows {}; raise the limit, or set {}"
                    "gradient_checkpointing = true, or lower per_device_train_batch_size or "
                    "max_completion_length",
                    stage.name, Gigabytes(needed.total()), Gigabytes(needed.weights),
                    Gigabytes(needed.optimizer), Gigabytes(needed.activations),
                    Gigabytes(needed.rollout), Gigabytes(needed.temporaries), limit->source,
                    Gigabytes(limit->bytes),
                    c.lora.enabled ? "model.precision = \"int8\", " : "lora.enabled = true, "));
  }
  return {};
}

Status OpenModel(RunContext& x, const std::filesystem::path& run_folder) {
  const RunConfig& c = x.config;
  if (c.model.path == "new") {
    PAWL_TRY(MakeNewTokenizer(c, run_folder / "tokenizer"));
    x.tokenizer_folder = run_folder / "tokenizer";
    PAWL_ASSIGN(x.tokenizer, Tokenizer::Load(x.tokenizer_folder));
    PAWL_ASSIGN(x.state.model, MakeNewModel(c, *x.tokenizer, x.compute->pool));
    return {};
  }
  PAWL_ASSIGN(const LocatedModel located, LocateModel(c.model.path, StarterFolder()));
  x.base_folder = located.folder;
  x.tokenizer_folder = located.tokenizer;
  PAWL_ASSIGN(x.tokenizer, Tokenizer::Load(located.tokenizer));
  Precision precision = Precision::kStored;
  if (!c.model.precision.empty()) {
    PAWL_ASSIGN(precision, ParsePrecision(c.model.precision));
  }
  if (!c.lora.enabled) precision = Precision::kF32;
  PAWL_ASSIGN(const ModelConfig shape, LoadModelConfig(located.folder));
  PAWL_ASSIGN(const WeightType storage, StorageOf(located.folder, precision));
  PAWL_TRY(CheckMemory(c, shape, storage));
  PAWL_ASSIGN(x.state.model,
              LoadModel(located.folder, precision, x.compute->pool, WantedPositions(c)));
  if (located.adapter) {
    PAWL_ASSIGN(Adapter adapter, LoadAdapter(*located.adapter, x.state.model.config));
    if (!c.lora.enabled) {
      PAWL_TRY(MergeAdapter(adapter, x.state.model.config, x.state.model.weights));
    } else {
      x.state.adapter = std::move(adapter);
    }
  }
  return {};
}

Status OpenAdapter(RunContext& x) {
  const LoraSection& lora = x.config.lora;
  if (!lora.enabled || x.state.adapter) return {};
  LoraConfig config;
  config.r = lora.r;
  config.lora_alpha = lora.lora_alpha;
  config.use_rslora = lora.use_rslora;
  config.target_modules = lora.target_modules;
  PAWL_ASSIGN(x.state.adapter, MakeAdapter(x.state.model.config, config, x.config.run.seed));
  return {};
}

}  // namespace

Status OpenContext(const RunConfig& config, const std::filesystem::path& run_folder,
                   const Compute& compute, RunContext& x) {
  x.config = config;
  x.compute = &compute;
  PAWL_ASSIGN(x.data, MakeRunData(config));
  PAWL_TRY(OpenModel(x, run_folder));
  PAWL_TRY(OpenAdapter(x));
  PAWL_ASSIGN(x.rewards, RewardSet::Make(config.rewards));
  PAWL_ASSIGN(x.grader, MakeReward(config.rewards[0]));
  std::vector<Problem> examples;
  if (!x.data.train.empty()) examples = x.data.train.begin()->second.problems();
  PAWL_ASSIGN(x.prompts, PromptBuilder::Make(*x.tokenizer, config.prompt, std::move(examples)));
  // A chat model ends its turn with the tokenizer's end-of-sequence token, whatever config.json
  // says.
  if (x.tokenizer->eos() && x.tokenizer->eos()->id) {
    auto& stops = x.state.model.stop_ids;
    const std::int32_t eos = *x.tokenizer->eos()->id;
    if (std::find(stops.begin(), stops.end(), eos) == stops.end()) stops.push_back(eos);
  }
  return CheckLengths(x);
}

int PlannedSteps(const RunContext& x, std::size_t stage) {
  const StageConfig& config = x.config.stages[stage];
  const auto problems = x.data.train.find(config.name);
  return StageSteps(config, problems == x.data.train.end() ? 0 : problems->second.size());
}

Status CheckLengths(const RunContext& x) {
  // Validation, gate and test problems are answered with any stage's limit.
  std::size_t longest = 0;
  const StageConfig* longest_stage = nullptr;
  for (const StageConfig& stage : x.config.stages) {
    const auto length = static_cast<std::size_t>(stage.max_completion_length);
    if (longest_stage == nullptr || length > longest) {
      longest = length;
      longest_stage = &stage;
    }
  }
  const auto check = [&](const std::vector<Problem>& problems, const StageConfig& stage) -> Status {
    const std::size_t limit = x.state.model.max_positions;
    for (const Problem& problem : problems) {
      PAWL_ASSIGN(const auto ids, x.prompts->Ids(problem));
      if (ids.size() + static_cast<std::size_t>(stage.max_completion_length) > limit) {
        return Usage(
            fmt::format("stage.{}.max_completion_length: {} and the prompt of \"{}\" ({} tokens) "
                        "exceed the context of {}",
                        stage.name, stage.max_completion_length, problem.id, ids.size(), limit));
      }
    }
    return {};
  };
  for (const StageConfig& stage : x.config.stages) {
    const auto problems = x.data.train.find(stage.name);
    if (stage.method != "grpo" || problems == x.data.train.end()) continue;
    PAWL_TRY(check(problems->second.problems(), stage));
  }
  PAWL_TRY(check(x.data.validation.problems(), *longest_stage));
  PAWL_TRY(check(x.data.gate.problems(), *longest_stage));
  return check(x.data.test.problems(), *longest_stage);
}

int LongestCompletion(const RunConfig& config) {
  int longest = 0;
  for (const StageConfig& stage : config.stages) {
    longest = std::max(longest, stage.max_completion_length);
  }
  return longest;
}

Result<Evaluation> Measure(const RunContext& x, std::span<const Problem> problems,
                           const MeasureOptions& options) {
  EvaluateSettings settings;
  settings.samples = options.samples;
  settings.greedy = options.greedy;
  settings.temperature = options.temperature;
  settings.max_new_tokens = options.max_new_tokens;
  settings.seed = x.config.run.seed;
  settings.first_item = options.first_item;
  settings.items = options.items;
  settings.max_batch = 128;
  EvaluateHooks hooks;
  hooks.cancelled = [&x] { return x.Stopped(); };
  if (x.journal) {
    hooks.journal = {x.journal.get(),
                     options.fingerprint.empty() ? x.state.Fingerprint() : options.fingerprint};
  }
  return Evaluate(x.state.policy(), *x.tokenizer, *x.prompts, problems, *x.grader, settings,
                  *x.compute, hooks);
}

}  // namespace pawl
