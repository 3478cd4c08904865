#include "speed/speed.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/philox.h"
#include "optim/adamw.h"
#include "rollout/generate.h"
#include "train/accumulate.h"

namespace pawl {
namespace {

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::vector<std::int32_t> RandomIds(std::size_t count, std::uint64_t item, std::size_t vocab) {
  RandomStream stream({7, RandomPurpose::kSynthetic, item, 0});
  std::vector<std::int32_t> ids(count);
  for (auto& id : ids)
    id = static_cast<std::int32_t>(stream.Below(static_cast<std::uint32_t>(vocab)));
  return ids;
}

// A group of random completions with coefficients that sum to nothing, as advantages do.
struct SyntheticGroup {
  std::vector<std::int32_t> prompt;
  std::vector<std::vector<std::int32_t>> completions;
  std::vector<std::vector<float>> coefficients, log_probs, entropies;

  SyntheticGroup(const SpeedShape& shape, std::size_t vocab)
      : prompt(RandomIds(std::max<std::size_t>(shape.prompt_tokens, 1), 0, vocab)) {
    for (std::size_t g = 0; g < shape.batch; ++g) Add(RandomIds(shape.new_tokens, g + 1, vocab));
  }
  explicit SyntheticGroup(std::vector<std::int32_t> given) : prompt(std::move(given)) {}

  void Add(std::vector<std::int32_t> ids) {
    const float sign = completions.size() % 2 == 0 ? 1e-3f : -1e-3f;
    coefficients.emplace_back(ids.size(), sign);
    log_probs.emplace_back(ids.size());
    entropies.emplace_back(ids.size());
    completions.push_back(std::move(ids));
  }
  GroupTask Task() {
    GroupTask task{prompt, {}};
    for (std::size_t g = 0; g < completions.size(); ++g) {
      task.completions.push_back({completions[g], coefficients[g], log_probs[g], entropies[g]});
    }
    return task;
  }
};

// One trained thing: the adapter or all weights, with gradients and AdamW state.
class Update {
 public:
  Update(Model& model, const Compute& compute, bool full, int r, Saving saving)
      : model_(model), compute_(compute), saving_(saving) {
    if (full) {
      weight_gradients_ = MakeWeights(model.config, WeightType::kF32);
    } else {
      LoraConfig lora;
      lora.r = r;
      auto made = MakeAdapter(model.config, lora, 1);
      PAWL_CHECK(made.has_value());
      adapter_ = std::move(*made);
      adapter_gradients_ = ZerosLike(*adapter_);
    }
    for (const FlatParameter& parameter : Trained()) {
      first_.emplace_back(parameter.values.size());
      second_.emplace_back(parameter.values.size());
    }
    buffers_ = MakeTrainBuffers(model, saving);
  }

  Policy policy() const { return {model_, adapter_ ? &*adapter_ : nullptr}; }

  void Run(SyntheticGroup& group) {
    Gradients gradients{weight_gradients_ ? &*weight_gradients_ : nullptr,
                        adapter_gradients_ ? &*adapter_gradients_ : nullptr};
    const std::vector<GroupTask> groups{group.Task()};
    AccumulateGradients(policy(), compute_, groups, {1.0f, SliceRows(policy(), saving_)}, *buffers_,
                        gradients);
    Step();
  }

 private:
  std::vector<FlatParameter> Trained() {
    return adapter_ ? Flatten(*adapter_) : Flatten(model_.weights);
  }
  void Step() {
    const ProfilePart part(Part::kOptimizer);
    ++step_;
    const AdamWConfig config{};
    const AdamWStep scalars = MakeAdamWStep(config, 1e-9, step_);
    auto values = Trained();
    auto gradients = adapter_ ? Flatten(*adapter_gradients_) : Flatten(*weight_gradients_);
    for (std::size_t i = 0; i < values.size(); ++i) {
      compute_.pool.For(values[i].values.size(), 4096, [&](std::size_t begin, std::size_t end) {
        const std::size_t count = end - begin;
        AdamWUpdate(scalars, values[i].decay, 1.0f, values[i].values.subspan(begin, count),
                    gradients[i].values.subspan(begin, count),
                    std::span<float>(first_[i]).subspan(begin, count),
                    std::span<float>(second_[i]).subspan(begin, count));
        std::fill_n(gradients[i].values.begin() + static_cast<long>(begin), count, 0.0f);
      });
    }
  }

  Model& model_;
  const Compute& compute_;
  Saving saving_;
  std::optional<Weights> weight_gradients_;
  std::optional<Adapter> adapter_, adapter_gradients_;
  std::vector<std::vector<float>> first_, second_;
  TrainBuffersPtr buffers_;
  std::int64_t step_ = 0;
};

// Seconds of one prefill with the head on its last row.
Result<double> Prefill(const SpeedShape& shape, const Policy& policy, const Compute& compute) {
  const auto ids = RandomIds(shape.prompt_tokens, 0, policy.model.config.vocab_size);
  KvCache cache(policy.model.config);
  KvSequence sequence(cache);
  Scratch scratch;
  AlignedBuffer<float> hidden(ids.size() * policy.model.config.hidden_size);
  AlignedBuffer<float> logits(policy.model.config.vocab_size);
  const MatrixView<float> rows(hidden.data(), ids.size(), policy.model.config.hidden_size);
  const SequenceRows part{0, ids.size(), &sequence};
  const double start = Now();
  Forward(policy, compute, ids, {&part, 1}, scratch, nullptr, rows);
  HeadLogits(policy, compute, rows.Rows(ids.size() - 1, 1),
             {logits.data(), 1, policy.model.config.vocab_size});
  return Now() - start;
}

Result<std::vector<Completion>> Rollout(const SpeedShape& shape, const Policy& policy,
                                        const Compute& compute, GenerationStats& stats) {
  SamplingConfig sampling;
  sampling.max_new_tokens = static_cast<int>(shape.new_tokens);
  sampling.ignore_eos = true;
  GenerationRequest request;
  request.prompt =
      RandomIds(std::max<std::size_t>(shape.prompt_tokens, 1), 0, policy.model.config.vocab_size);
  request.num_generations = static_cast<int>(shape.batch);
  GenerationOptions options;
  options.max_batch = shape.batch;
  PAWL_ASSIGN(auto all, Generate(policy, compute, {&request, 1}, sampling, options, &stats));
  return std::move(all[0]);
}

Result<double> RunOnce(const SpeedRequest& request, const Model& model, const Compute& compute,
                       Update* update) {
  const SpeedShape& shape = request.shape;
  switch (request.work) {
    case SpeedWork::kPrefill:
      return Prefill(shape, {model, nullptr}, compute);
    case SpeedWork::kDecode: {
      GenerationStats stats;
      PAWL_ASSIGN(const auto ignored, Rollout(shape, {model, nullptr}, compute, stats));
      static_cast<void>(ignored);
      return stats.decode_seconds;
    }
    case SpeedWork::kTrain:
    case SpeedWork::kFullTrain: {
      SyntheticGroup group(shape, model.config.vocab_size);
      const double start = Now();
      update->Run(group);
      return Now() - start;
    }
    case SpeedWork::kGrpoStep: {
      const double start = Now();
      GenerationStats stats;
      PAWL_ASSIGN(auto completions, Rollout(shape, update->policy(), compute, stats));
      SyntheticGroup group(
          RandomIds(std::max<std::size_t>(shape.prompt_tokens, 1), 0, model.config.vocab_size));
      for (Completion& completion : completions) group.Add(std::move(completion.ids));
      update->Run(group);
      return Now() - start;
    }
    case SpeedWork::kLoad:
      break;
  }
  return Fail(ErrorCode::kInternal, "speed: this work is measured by its caller");
}

}  // namespace

Result<SpeedResult> MeasureSpeed(const SpeedRequest& request, Model& model,
                                 const Compute& compute) {
  const bool trains = request.work == SpeedWork::kTrain || request.work == SpeedWork::kFullTrain ||
                      request.work == SpeedWork::kGrpoStep;
  std::optional<Update> update;
  if (trains) {
    update.emplace(model, compute, request.work == SpeedWork::kFullTrain, request.lora_r,
                   request.saving);
  }
  std::vector<double> seconds;
  std::optional<ProfileSession> profile;
  for (int run = 0; run <= request.repeats; ++run) {
    if (request.profile && (run == 1 || request.repeats == 0)) profile.emplace();
    PAWL_ASSIGN(const double once, RunOnce(request, model, compute, update ? &*update : nullptr));
    if (run > 0 || request.repeats == 0) seconds.push_back(once);
  }
  SpeedResult result;
  if (profile) result.profile = profile->Rows();
  for (ProfileRow& row : result.profile) {
    row.seconds /= static_cast<double>(seconds.size());
    row.times /= static_cast<long long>(seconds.size());
  }
  std::sort(seconds.begin(), seconds.end());
  result.seconds = seconds[seconds.size() / 2];
  result.peak_rss_bytes = PeakRssBytes();
  return result;
}

std::size_t PeakRssBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

Result<ModelConfig> SyntheticConfig(const std::string& name) {
  if (name != "qwen2.5-0.5b") {
    return Usage(fmt::format("--synthetic: unknown shape \"{}\", known: qwen2.5-0.5b", name));
  }
  return ParseModelConfig(
      R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","hidden_act":"silu",
      "hidden_size":896,"intermediate_size":4864,"num_hidden_layers":24,"num_attention_heads":14,
      "num_key_value_heads":2,"vocab_size":151936,"rms_norm_eps":1e-06,"rope_theta":1000000.0,
      "max_position_embeddings":32768,"tie_word_embeddings":true,"torch_dtype":"bfloat16",
      "bos_token_id":151643,"eos_token_id":151645})",
      "qwen2.5-0.5b");
}

Json SpeedRowJson(const SpeedRequest& request, const SpeedResult& result, const ModelConfig& config,
                  std::size_t bytes_per_weight, const MachinePeaks& peaks) {
  const double tokens = static_cast<double>(SpeedTokens(request.work, request.shape));
  const double ceiling =
      CeilingSeconds(request.work, request.shape, config, bytes_per_weight, peaks);
  const bool counts = tokens > 0 && ceiling > 0;
  Json row;
  row["work"] = SpeedWorkName(request.work);
  row["batch"] = request.shape.batch;
  row["prompt_tokens"] = request.shape.prompt_tokens;
  row["new_tokens"] = request.shape.new_tokens;
  row["seconds"] = result.seconds;
  row["tokens_per_second"] = counts ? Json(tokens / result.seconds) : Json();
  row["ceiling_tokens_per_second"] = counts ? Json(tokens / ceiling) : Json();
  row["share_of_ceiling"] = counts ? Json(ceiling / result.seconds) : Json();
  row["peak_rss_bytes"] = result.peak_rss_bytes;
  if (request.profile) {
    row["profile"] = Json::array();
    for (const ProfileRow& one : result.profile) {
      row["profile"].push_back(
          {{"part", one.part}, {"kind", one.kind}, {"seconds", one.seconds}, {"times", one.times}});
    }
  }
  return row;
}

}  // namespace pawl
