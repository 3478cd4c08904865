// The promise "one policy": the log-probabilities recorded while sampling are those of the training
// forward bit for bit, for random shapes, batches, places, threads, instruction sets, precisions,
// adapters and temperatures.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "model/toy.h"
#include "train/trainer.h"

namespace pawl {
namespace {

std::size_t Between(RandomStream& random, std::size_t low, std::size_t high) {
  return low + random.Below(static_cast<std::uint32_t>(high - low + 1));
}

// A model of any family with widths that fit no vector or page.
ModelConfig RandomShape(RandomStream& random) {
  ModelConfig config = ToyConfig(static_cast<ToyKind>(random.Below(3)), random.Below(2) == 0);
  config.vocab_size = Between(random, 9, 300);
  config.hidden_size = Between(random, 3, 70);
  config.intermediate_size = Between(random, 1, 90);
  config.num_hidden_layers = Between(random, 1, 3);
  config.num_key_value_heads = Between(random, 1, 3);
  config.num_attention_heads = config.num_key_value_heads * Between(random, 1, 4);
  config.head_dim = 2 * Between(random, 1, 17);
  return config;
}

Compute RandomCompute(ThreadPool& pool, RandomStream& random) {
  const std::vector<Isa> isas = SupportedIsas();
  return Compute(pool, isas[random.Below(static_cast<std::uint32_t>(isas.size()))]);
}

struct Case {
  RandomStream random;
  ModelConfig config = RandomShape(random);
  ThreadPool sampling_threads{static_cast<int>(Between(random, 1, 8))};
  ThreadPool training_threads{static_cast<int>(Between(random, 1, 8))};
  bool full = random.Below(3) == 0;  // trains all weights, which are float32 then
  bool adapted = !full && random.Below(3) != 0;
  Precision precision = full                   ? Precision::kF32
                        : random.Below(3) == 0 ? Precision::kF32
                        : random.Below(2) == 0 ? Precision::kBf16
                                               : Precision::kInt8;
  Model model = ToyModel(config, precision, sampling_threads, 7);
  std::optional<Adapter> adapter;
  double temperature = 0.5 + 0.125 * static_cast<double>(random.Below(9));

  explicit Case(std::uint64_t number) : random({number, RandomPurpose::kTest, 77, 0}) {
    if (!adapted) return;
    LoraConfig lora{.r = static_cast<int>(Between(random, 1, 9))};
    if (random.Below(2) == 0) lora.target_modules = {"q_proj", "v_proj", "down_proj"};
    adapter = ToyAdapter(config, lora, number);
  }
  Policy policy() const { return {model, adapter ? &*adapter : nullptr}; }
};

// Prompts of all kinds of lengths: some longer than a prefill pass, some around a page of the
// cache.
std::vector<GenerationRequest> RandomRequests(Case& c) {
  std::vector<GenerationRequest> requests;
  const std::size_t count = Between(c.random, 1, 6);
  for (std::size_t r = 0; r < count; ++r) {
    const std::size_t kind = c.random.Below(4);
    const std::size_t length = kind == 0   ? Between(c.random, 62, 67)
                               : kind == 1 ? Between(c.random, 250, 300)
                                           : Between(c.random, 1, 30);
    requests.push_back(
        {RandomIds(c.config, length, 1000 + r), r, static_cast<int>(Between(c.random, 1, 5)), 0});
  }
  return requests;
}

TEST(OnePolicy, TrainingReadsTheLogProbabilitiesThatTheSamplerWrote) {
  std::size_t tokens = 0;
  std::set<Precision> precisions;
  for (std::uint64_t number = 0; number < 20; ++number) {
    SCOPED_TRACE(testing::Message() << "case " << number);
    Case c(number);
    precisions.insert(c.precision);
    const std::vector<GenerationRequest> requests = RandomRequests(c);
    SamplingConfig sampling;
    sampling.temperature = sampling.record_temperature = c.temperature;
    sampling.max_new_tokens = static_cast<int>(Between(c.random, 1, 40));
    sampling.seed = number;
    sampling.stop_ids = {2, 5};
    const auto rollouts = Generate(c.policy(), RandomCompute(c.sampling_threads, c.random),
                                   requests, sampling, {.max_batch = Between(c.random, 1, 20)});
    ASSERT_TRUE(rollouts) << rollouts.error().message;

    // Training takes the groups in another order and cuts the completions in its own way.
    std::vector<std::size_t> order(requests.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::rotate(order.begin(),
                order.begin() + c.random.Below(static_cast<std::uint32_t>(order.size())),
                order.end());
    std::vector<std::vector<float>> got, coefficients;
    std::vector<std::span<const float>> recorded;
    for (const std::size_t r : order) {
      for (const Completion& completion : (*rollouts)[r]) {
        recorded.push_back(completion.log_probs);
        got.emplace_back(completion.ids.size());
        coefficients.emplace_back(completion.ids.size(), 0.5f);
      }
    }
    std::vector<GroupTask> groups;
    std::size_t next = 0;
    for (const std::size_t r : order) {
      groups.push_back({requests[r].prompt, {}});
      for (const Completion& completion : (*rollouts)[r]) {
        groups.back().completions.push_back({completion.ids, coefficients[next], got[next], {}});
        ++next;
      }
    }
    std::optional<Weights> weights;
    std::optional<Adapter> adapter;
    if (c.full) weights = MakeWeights(c.config, WeightType::kF32);
    if (c.adapter) adapter = ZerosLike(*c.adapter);
    const AccumulateOptions options{static_cast<float>(1.0 / c.temperature),
                                    Between(c.random, 1, 200)};
    AccumulateGradients(c.policy(), RandomCompute(c.training_threads, c.random), groups, options,
                        *MakeTrainBuffers(c.model),
                        {weights ? &*weights : nullptr, adapter ? &*adapter : nullptr});
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].size(), recorded[i].size());
      for (std::size_t t = 0; t < got[i].size(); ++t) ASSERT_EQ(got[i][t], recorded[i][t]) << t;
      tokens += got[i].size();
    }
  }
  EXPECT_GT(tokens, 1000u);
  EXPECT_EQ(precisions.size(), 3u);
}

// The same through whole steps, by the metric that every run prints.
TEST(OnePolicy, EveryStepReportsADifferenceOfZeroAtAnyTemperature) {
  int compared = 0;  // steps in which a group had a signal
  for (std::uint64_t number = 100; number < 110; ++number) {
    SCOPED_TRACE(testing::Message() << "case " << number);
    Case c(number);
    if (!c.full && !c.adapter) c.adapter = ToyAdapter(c.config, {.r = 3});
    TrainState state{std::move(c.model), std::move(c.adapter), {}, {}, 0};
    state.model.stop_ids = {2, 5};
    StageSettings settings;
    settings.optimizer.learning_rate = 1e-3;
    settings.num_generations = 4;
    settings.max_completion_length = 16;
    settings.temperature = c.temperature;
    settings.gradient_accumulation_steps = 2;
    settings.rollout_batch = static_cast<int>(Between(c.random, 1, 8));
    const Compute compute = RandomCompute(c.training_threads, c.random);
    Trainer trainer(state, settings, 3, {{"length"}, {1.0}}, number, compute);
    const Grader grader = [](std::size_t, const Completion& completion) {
      const auto sum = std::accumulate(completion.ids.begin(), completion.ids.end(), 0);
      return GradedCompletion{"", {static_cast<double>(sum % 3)}, false};
    };
    for (int step = 0; step < 3; ++step) {
      std::vector<PromptTask> tasks;
      for (std::uint64_t t = 0; t < 2; ++t) {
        const auto at = static_cast<std::uint64_t>(step) * 2 + t;
        tasks.push_back({"p", RandomIds(state.model.config, 1 + 30 * t, at), at});
      }
      const auto outcome = trainer.GrpoStep(tasks, step, grader, nullptr);
      ASSERT_TRUE(outcome) << outcome.error().message;
      if (!outcome->metrics.contains("max_logp_difference")) continue;
      EXPECT_EQ(outcome->metrics["max_logp_difference"].get<double>(), 0.0) << step;
      ++compared;
    }
  }
  EXPECT_GT(compared, 20);
}

}  // namespace
}  // namespace pawl
