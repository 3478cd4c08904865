#include "model/backward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <optional>

#include "model/debug.h"
#include "model/toy.h"

namespace pawl {
namespace {

using Ids = std::vector<std::int32_t>;

// Gradients of whichever parameters are trained, by name.
struct TrainedGradients {
  TrainedGradients(const Policy& policy, bool full) : lookup(policy.model.config) {
    if (full) {
      weights = MakeWeights(policy.model.config, WeightType::kF32);
      view.weights = &*weights;
      view.lookup = &lookup;
    }
    if (policy.adapter != nullptr) {
      adapter = ZerosLike(*policy.adapter);
      view.adapter = &*adapter;
    }
  }
  std::vector<std::vector<float>> Values(const Compute& compute) {
    std::vector<std::vector<float>> out;
    const auto append = [&out](const std::vector<FlatParameter>& parameters) {
      for (const FlatParameter& p : parameters) out.emplace_back(p.values.begin(), p.values.end());
    };
    if (weights) {
      lookup.FoldInto(compute, weights->embed);
      append(Flatten(*weights));
    }
    if (adapter) append(Flatten(*adapter));
    return out;
  }
  std::optional<Weights> weights;
  std::optional<Adapter> adapter;
  LookupGradient lookup;
  Gradients view;
};

struct Group {
  Ids prompt;
  std::vector<Ids> completions;
};

Group SomeGroup(const ModelConfig& config, std::size_t prompt) {
  Group group;
  group.prompt = RandomIds(config, prompt, 70 + prompt);
  for (const std::size_t length : {5, 31, 70, 1, 12}) {
    group.completions.push_back(RandomIds(config, length, 200 + length));
  }
  return group;
}

// d loss / d log p of token i of completion c.
float Coefficient(std::size_t c, std::size_t i) {
  return 0.1f * static_cast<float>((c * 7 + i * 3) % 11) - 0.4f;
}

// The prompt once, completions in passes of `slice` together.
std::vector<std::vector<float>> SharedGradients(const Policy& policy, const Compute& compute,
                                                const Group& group, bool full, std::size_t slice,
                                                Saving saving = Saving::kAll) {
  const std::size_t width = policy.model.config.hidden_size, prompt = group.prompt.size();
  TrainedGradients gradients(policy, full);
  KvCache cache(policy.model.config);
  KvSequence prompt_cache(cache);
  Scratch scratch;
  SavedActivations prompt_saved(saving), saved(saving);
  PrefixGradients prefix(policy.model.config, prompt);
  std::vector<float> hidden(prompt * width), dhidden(prompt * width, 0.0f);
  const SequenceRows prompt_rows{0, prompt, &prompt_cache};
  Forward(policy, compute, group.prompt, {&prompt_rows, 1}, scratch, &prompt_saved,
          {hidden.data(), prompt, width});
  float* last = hidden.data() + (prompt - 1) * width;
  for (std::size_t c = 0; c < group.completions.size(); ++c) {
    std::vector<float> drow(width);
    const float coefficient = Coefficient(c, 0);
    HeadForwardBackward(policy, compute, {last, 1, width}, {group.completions[c].data(), 1}, 1.0f,
                        {&coefficient, 1}, {}, scratch, {}, {drow.data(), 1, width},
                        gradients.view);
    for (std::size_t k = 0; k < width; ++k) dhidden[(prompt - 1) * width + k] += drow[k];
  }
  for (std::size_t first = 0; first < group.completions.size(); first += slice) {
    const std::size_t end = std::min(group.completions.size(), first + slice);
    Ids ids, targets;
    std::vector<float> coefficients;
    std::vector<KvSequence> caches;
    std::vector<BackwardRows> backward;
    std::vector<SequenceRows> rows;
    for (std::size_t c = first; c < end; ++c) caches.push_back(prompt_cache.Fork());
    for (std::size_t c = first; c < end; ++c) {
      const Ids& completion = group.completions[c];
      rows.push_back({ids.size(), completion.size(), &caches[c - first]});
      backward.push_back({rows.back(), &prefix, nullptr});
      for (std::size_t i = 0; i < completion.size(); ++i) {
        const bool predicts = i + 1 < completion.size();
        ids.push_back(completion[i]);
        targets.push_back(predicts ? completion[i + 1] : -1);
        coefficients.push_back(predicts ? Coefficient(c, i + 1) : 0.0f);
      }
    }
    std::vector<float> out(ids.size() * width), dout(ids.size() * width);
    const MatrixView<float> out_rows{out.data(), ids.size(), width};
    const MatrixView<float> dout_rows{dout.data(), ids.size(), width};
    Forward(policy, compute, ids, rows, scratch, &saved, out_rows);
    HeadForwardBackward(policy, compute, out_rows, targets, 1.0f, coefficients, {}, scratch, {},
                        dout_rows, gradients.view);
    Backward(policy, compute, ids, backward, saved, scratch, dout_rows, gradients.view);
  }
  const BackwardRows prompt_backward{prompt_rows, nullptr, &prefix};
  Backward(policy, compute, group.prompt, {&prompt_backward, 1}, prompt_saved, scratch,
           {dhidden.data(), prompt, width}, gradients.view);
  return gradients.Values(compute);
}

// Every completion as a whole sequence with its own copy of the prompt.
std::vector<std::vector<float>> UnsharedGradients(const Policy& policy, const Compute& compute,
                                                  const Group& group, bool full) {
  const std::size_t width = policy.model.config.hidden_size, prompt = group.prompt.size();
  TrainedGradients gradients(policy, full);
  Scratch scratch;
  SavedActivations saved;
  for (std::size_t c = 0; c < group.completions.size(); ++c) {
    Ids ids = group.prompt;
    ids.insert(ids.end(), group.completions[c].begin(), group.completions[c].end());
    Ids targets(ids.begin() + 1, ids.end());
    targets.push_back(-1);
    std::vector<float> coefficients(ids.size(), 0.0f);
    for (std::size_t i = 0; i < group.completions[c].size(); ++i) {
      coefficients[prompt - 1 + i] = Coefficient(c, i);
    }
    KvCache cache(policy.model.config);
    KvSequence sequence(cache);
    std::vector<float> out(ids.size() * width), dout(ids.size() * width);
    const MatrixView<float> out_rows{out.data(), ids.size(), width};
    const MatrixView<float> dout_rows{dout.data(), ids.size(), width};
    const SequenceRows rows{0, ids.size(), &sequence};
    Forward(policy, compute, ids, {&rows, 1}, scratch, &saved, out_rows);
    HeadForwardBackward(policy, compute, out_rows, targets, 1.0f, coefficients, {}, scratch, {},
                        dout_rows, gradients.view);
    const BackwardRows backward{rows, nullptr, nullptr};
    Backward(policy, compute, ids, {&backward, 1}, saved, scratch, dout_rows, gradients.view);
  }
  return gradients.Values(compute);
}

struct Setting {
  ToyKind kind;
  bool tied, full, lora;
  Precision precision = Precision::kF32;
};
const std::vector<Setting> kSettings = {{ToyKind::kQwen2, true, true, false},
                                        {ToyKind::kQwen3, false, true, false},
                                        {ToyKind::kQwen3, true, false, true},
                                        {ToyKind::kLlama, false, false, true}};

TEST(Backward, OfASharedPromptEqualsThatOfCopiesWithinRounding) {
  ThreadPool pool(2);
  const Compute compute(pool);
  for (const Setting& setting : kSettings) {
    const ModelConfig config = ToyConfig(setting.kind, setting.tied);
    const Model model = ToyModel(config, Precision::kF32, pool);
    const Adapter adapter = ToyAdapter(config, {.r = 4, .target_modules = {"all-linear"}});
    const Policy policy{model, setting.lora ? &adapter : nullptr};
    for (const std::size_t prompt : {1, 64, 90}) {
      const Group group = SomeGroup(config, prompt);
      const auto shared = SharedGradients(policy, compute, group, setting.full, 2);
      const auto unshared = UnsharedGradients(policy, compute, group, setting.full);
      ASSERT_EQ(shared.size(), unshared.size());
      for (std::size_t p = 0; p < shared.size(); ++p) {
        float largest = 0;
        for (const float value : unshared[p]) largest = std::max(largest, std::abs(value));
        EXPECT_GT(largest, 0.0f);
        for (std::size_t i = 0; i < shared[p].size(); ++i) {
          ASSERT_NEAR(shared[p][i], unshared[p][i], 2e-5f * largest + 1e-6f) << p << " " << i;
        }
      }
    }
  }
}

TEST(Backward, GivesTheSameBitsForEverySlicingThreadCountAndInstructionSet) {
  std::vector<Setting> settings = kSettings;
  settings.push_back({ToyKind::kQwen2, true, false, true, Precision::kInt8});
  settings.push_back({ToyKind::kQwen3, false, false, true, Precision::kInt8});
  for (const Setting& setting : settings) {
    ThreadPool one(1);
    const ModelConfig config = ToyConfig(setting.kind, setting.tied);
    const Model model = ToyModel(config, setting.precision, one);
    const Adapter adapter =
        ToyAdapter(config, {.r = 6, .target_modules = {"q_proj", "up_proj", "down_proj"}});
    const Policy policy{model, setting.lora ? &adapter : nullptr};
    const Group group = SomeGroup(config, 70);
    const auto expected =
        SharedGradients(policy, Compute(one, Isa::kPortable), group, setting.full, 1);
    for (const Isa isa : SupportedIsas()) {
      for (const int threads : {1, 2, 3, 8}) {
        ThreadPool pool(threads);
        const std::size_t slice = static_cast<std::size_t>(threads) + 1;
        EXPECT_EQ(SharedGradients(policy, Compute(pool, isa), group, setting.full, slice), expected)
            << IsaName(isa) << " " << threads;
        if (threads != 2) continue;
        EXPECT_EQ(SharedGradients(policy, Compute(pool, isa), group, setting.full, slice,
                                  Saving::kRecompute),
                  expected)
            << "recomputed, " << IsaName(isa) << " " << threads;
      }
    }
  }
}

// The straight-through gradient of an 8-bit base against the gradient of its own weights in
// float32, whose forward pass rounds no activation.
TEST(Backward, Through8BitWeightsPointsWhereTheFloatGradientPoints) {
  ThreadPool pool(2);
  const Compute compute(pool);
  const ModelConfig config = ToyConfig(ToyKind::kQwen3, true);
  Model model = ToyModel(config, Precision::kInt8, pool);
  Model wide = ToyModel(config, Precision::kF32, pool);
  const auto from = Parameters(config, model.weights), to = Parameters(config, wide.weights);
  for (std::size_t p = 0; p < from.size(); ++p) WriteParameter(to[p], ReadParameter(from[p]));
  const Adapter adapter = ToyAdapter(config, {.r = 6, .target_modules = {"all-linear"}});
  const Group group = SomeGroup(config, 70);
  const auto found = SharedGradients({model, &adapter}, compute, group, false, 2);
  const auto expected = SharedGradients({wide, &adapter}, compute, group, false, 2);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t p = 0; p < found.size(); ++p) {
    double dot = 0, a = 0, b = 0;
    for (std::size_t i = 0; i < found[p].size(); ++i) {
      const double x = static_cast<double>(found[p][i]), y = static_cast<double>(expected[p][i]);
      dot += x * y;
      a += x * x;
      b += y * y;
    }
    EXPECT_GT(dot, 0.99 * std::sqrt(a * b)) << p;
    EXPECT_NE(found[p], expected[p]) << p;
  }
}

// Loss of full sequences as a function of the weights, in double at the end only.
double Loss(const Policy& policy, const Compute& compute, const Ids& ids) {
  Scratch scratch;
  double loss = 0;
  for (const float log_prob : ScoreSequence(policy, compute, ids, scratch).log_probs) {
    loss -= static_cast<double>(log_prob);
  }
  return loss;
}

// Moves `values` along its gradient both ways; the slope must be the gradient's length.
void ExpectSlope(std::span<float> values, std::span<const float> gradient, const std::string& name,
                 const std::function<double()>& loss) {
  double squares = 0;
  for (const float g : gradient) squares += static_cast<double>(g) * static_cast<double>(g);
  const double norm = std::sqrt(squares), step = 0.02 / norm;
  ASSERT_GT(norm, 0) << name;
  const std::vector<float> before(values.begin(), values.end());
  const auto moved = [&](double by) {
    for (std::size_t i = 0; i < before.size(); ++i) {
      values[i] = static_cast<float>(before[i] + by * gradient[i] / norm);
    }
    return loss();
  };
  const double slope = (moved(step) - moved(-step)) / (2 * step);
  std::copy(before.begin(), before.end(), values.begin());
  EXPECT_NEAR(slope, norm, 0.01 * norm) << name;
}

TEST(Backward, AgreesWithFiniteDifferencesForEveryParameter) {
  ThreadPool pool(2);
  const Compute compute(pool);
  for (const Setting& setting : kSettings) {
    const ModelConfig config = ToyConfig(setting.kind, setting.tied);
    Model model = ToyModel(config, Precision::kF32, pool);
    Adapter adapter = ToyAdapter(config, {.r = 4, .target_modules = {"all-linear"}});
    const Policy policy{model, setting.lora ? &adapter : nullptr};
    const Ids ids = RandomIds(config, 24, 8);
    Scratch scratch;
    const MaskedSequence line{ids, std::vector<int>(ids.size(), 1)};
    const LossGradients all = MaskedLossGradients(policy, compute, {&line, 1}, scratch);
    EXPECT_NEAR(all.loss, Loss(policy, compute, ids), 1e-9);
    std::size_t next = 0;
    for (const Parameter& parameter :
         setting.lora ? AdapterTensors(adapter) : Parameters(config, model.weights)) {
      const NamedTensor& gradient = all.gradients[next++];
      ASSERT_EQ(gradient.name, parameter.name);
      std::vector<float> values = ReadParameter(parameter);
      const std::vector<float> before = values;
      ExpectSlope(values, gradient.values, parameter.name, [&] {
        WriteParameter(parameter, values);
        return Loss(policy, compute, ids);
      });
      WriteParameter(parameter, before);
    }
    EXPECT_EQ(next, all.gradients.size());
  }
}

TEST(Head, LeavesRowsWithoutCoefficientOutOfTheGradientAndScoresThemWhenAsked) {
  ThreadPool pool(2);
  const Compute compute(pool);
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, false);
  const Model model = ToyModel(config, Precision::kF32, pool);
  const Policy policy{model, nullptr};
  const std::size_t rows = 9, width = config.hidden_size;
  const Ids ids = RandomIds(config, rows, 3), targets = RandomIds(config, rows, 4);
  const std::vector<float> hidden = RunWhole(policy, compute, {ids})[0];
  std::vector<float> coefficients(rows, 0.0f), entropy_coefficients(rows, 0.0f);
  coefficients[2] = -0.5f;
  entropy_coefficients[7] = 0.25f;
  Scratch scratch;
  std::vector<float> expected(rows), expected_entropies(rows), log_probs(rows), entropies(rows);
  HeadForward(policy, compute, {hidden.data(), rows, width}, targets, 0.8f, scratch,
              {expected, expected_entropies, {}});
  std::vector<float> with_scores(rows * width), without(rows * width);
  HeadForwardBackward(policy, compute, {hidden.data(), rows, width}, targets, 0.8f, coefficients,
                      entropy_coefficients, scratch, {log_probs, entropies, {}},
                      {with_scores.data(), rows, width}, {});
  HeadForwardBackward(policy, compute, {hidden.data(), rows, width}, targets, 0.8f, coefficients,
                      entropy_coefficients, scratch, {}, {without.data(), rows, width}, {});
  EXPECT_EQ(log_probs, expected);
  EXPECT_EQ(entropies, expected_entropies);
  EXPECT_EQ(with_scores, without);
  for (std::size_t t = 0; t < rows; ++t) {
    float largest = 0;
    for (std::size_t k = 0; k < width; ++k) {
      largest = std::max(largest, std::abs(without[t * width + k]));
    }
    EXPECT_EQ(largest > 0, t == 2 || t == 7) << t;
  }
}

}  // namespace
}  // namespace pawl
