#include "rollout/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "model/oracle.h"
#include "rollout/reference.h"
#include "rollout/toy.h"

namespace pawl {
namespace {

using Results = std::vector<std::vector<Completion>>;

std::vector<GenerationRequest> SomeRequests(const ModelConfig& config) {
  std::vector<GenerationRequest> requests;
  // 300 is longer than a prefill pass, 63 to 65 surround a page of the cache.
  for (const std::size_t length : {5, 64, 1, 300, 63, 65, 9}) {
    const auto number = static_cast<int>(requests.size());
    requests.push_back({RandomIds(config, length, length), 50u + static_cast<unsigned>(number),
                        1 + number % 4, static_cast<std::uint32_t>(number % 3)});
  }
  return requests;
}

std::vector<SamplingConfig> SomeConfigs() {
  SamplingConfig plain;
  plain.seed = 7;
  plain.max_new_tokens = 20;
  plain.stop_ids = {3, 11, 40};
  SamplingConfig cool = plain;
  cool.temperature = cool.record_temperature = 0.7;
  SamplingConfig filtered = plain;
  filtered.temperature = 1.3;
  filtered.top_k = 20;
  filtered.top_p = 0.9;
  filtered.min_p = 0.02;
  filtered.repetition_penalty = 1.2;
  SamplingConfig greedy = plain;
  greedy.greedy = true;
  greedy.repetition_penalty = 1.3;
  return {plain, cool, filtered, greedy};
}

void ExpectSame(const std::vector<Completion>& a, const std::vector<Completion>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t g = 0; g < a.size(); ++g) {
    EXPECT_EQ(a[g].ids, b[g].ids);
    EXPECT_EQ(a[g].log_probs, b[g].log_probs);
    EXPECT_EQ(a[g].finish_reason, b[g].finish_reason);
  }
}

// log p(ids[t] | before) of a whole sequence, the prompt's rows included.
std::vector<float> Score(const Policy& policy, const Compute& compute,
                         std::vector<std::int32_t> ids, float inverse_temperature) {
  const std::vector<float> hidden = RunWhole(policy, compute, {ids})[0];
  std::vector<std::int32_t> targets(ids.begin() + 1, ids.end());
  targets.push_back(-1);
  std::vector<float> log_probs(ids.size());
  Scratch scratch;
  HeadForward(policy, compute, {hidden.data(), ids.size(), policy.model.config.hidden_size},
              targets, inverse_temperature, scratch, HeadScores{log_probs, {}, {}});
  return log_probs;
}

TEST(Generate, GivesTheSameBitsForEveryBatchThreadCountInstructionSetAndOrder) {
  ToyPolicy toy;
  const std::vector<GenerationRequest> requests = SomeRequests(toy.config);
  std::vector<GenerationRequest> reversed(requests.rbegin(), requests.rend());
  for (const SamplingConfig& config : SomeConfigs()) {
    const Results expected =
        *Generate(toy.policy(), toy.compute, requests, config, {.max_batch = 1});
    std::size_t stopped = 0, all = 0;
    for (const auto& group : expected) {
      for (const Completion& completion : group) {
        stopped += completion.finish_reason == FinishReason::kStop ? 1 : 0;
        ++all;
      }
    }
    EXPECT_GT(stopped, 0u);  // so that places in the batch change hands at different steps
    EXPECT_LT(stopped, all);
    for (const int threads : {1, 2, 8}) {
      ThreadPool pool(threads);
      for (const Isa isa : SupportedIsas()) {
        const Compute compute(pool, isa);
        for (const std::size_t batch : {3, 8, 64}) {
          if (threads == 8 && batch != 8) continue;  // slow on few CPUs
          SCOPED_TRACE(testing::Message() << threads << " " << IsaName(isa) << " " << batch);
          const Results got =
              *Generate(toy.policy(), compute, requests, config, {.max_batch = batch});
          ASSERT_EQ(got.size(), expected.size());
          for (std::size_t r = 0; r < got.size(); ++r) ExpectSame(got[r], expected[r]);
        }
      }
    }
    const Results back = *Generate(toy.policy(), toy.compute, reversed, config, {.max_batch = 5});
    for (std::size_t r = 0; r < back.size(); ++r) {
      ExpectSame(back[r], expected[expected.size() - 1 - r]);
    }
  }
}

TEST(Generate, NumbersCompletionsFromFirstSample) {
  ToyPolicy toy;
  SamplingConfig config;
  config.max_new_tokens = 12;
  GenerationRequest request{{1, 2, 3}, 4, 5, 0};
  const Results all = *Generate(toy.policy(), toy.compute, {{request}}, config, {});
  request.first_sample = 2;
  request.num_generations = 3;
  const Results some = *Generate(toy.policy(), toy.compute, {{request}}, config, {});
  for (std::size_t g = 0; g < 3; ++g) EXPECT_EQ(some[0][g].ids, all[0][g + 2].ids);
  EXPECT_NE(all[0][0].ids, all[0][1].ids);
}

TEST(Generate, RecordsTheLogProbabilitiesThatScoringGives) {
  ThreadPool pool(2);
  const Compute compute(pool);
  for (const ToyKind kind : {ToyKind::kQwen2, ToyKind::kQwen3, ToyKind::kLlama}) {
    const ModelConfig model_config = ToyConfig(kind, kind != ToyKind::kLlama);
    const Model model = ToyModel(model_config, Precision::kBf16, pool);
    const Adapter adapter = ToyAdapter(model_config, {.r = 4});
    const Policy policy{model, kind == ToyKind::kQwen3 ? &adapter : nullptr};
    const std::vector<GenerationRequest> requests = SomeRequests(model_config);
    for (const SamplingConfig& config : SomeConfigs()) {
      const Results results = *Generate(policy, compute, requests, config, {.max_batch = 6});
      for (std::size_t r = 0; r < requests.size(); ++r) {
        for (const Completion& completion : results[r]) {
          std::vector<std::int32_t> ids = requests[r].prompt;
          ids.insert(ids.end(), completion.ids.begin(), completion.ids.end());
          const std::vector<float> scores =
              Score(policy, compute, ids, static_cast<float>(1.0 / config.record_temperature));
          const auto first =
              scores.begin() + static_cast<std::ptrdiff_t>(requests[r].prompt.size());
          EXPECT_EQ(completion.log_probs, std::vector<float>(first - 1, scores.end() - 1));
        }
      }
    }
  }
}

TEST(Generate, FollowsTheOraclesGreedyPathOfEveryModel) {
  PAWL_NEED_SHARED();
  ThreadPool pool(2);
  const Compute compute(pool);
  for (const auto& folder : OracleCases("models")) {
    SCOPED_TRACE(folder.string());
    auto model = LoadModel(folder, Precision::kStored, pool, 256);
    ASSERT_TRUE(model) << model.error().message;
    const Json oracle = OracleJson(folder);
    const Json& greedy = oracle.at("greedy");
    SamplingConfig config;
    config.greedy = true;
    config.ignore_eos = true;
    config.max_new_tokens = greedy.at("max_new_tokens").get<int>();
    std::vector<GenerationRequest> requests;
    for (const Json& one : greedy.at("cases")) {
      requests.push_back({one.at("prompt").get<std::vector<std::int32_t>>()});
    }
    ASSERT_FALSE(requests.empty());
    const Results results = *Generate({*model}, compute, requests, config, {.max_batch = 2});
    for (std::size_t r = 0; r < requests.size(); ++r) {
      EXPECT_EQ(results[r][0].ids,
                greedy.at("cases")[r].at("completion").get<std::vector<std::int32_t>>());
      EXPECT_EQ(results[r][0].finish_reason, FinishReason::kLength);
    }
  }
}

TEST(Generate, GreedyWithAPenaltyTakesTheLargestPenalisedLogit) {
  ToyPolicy toy;
  SamplingConfig config;
  config.greedy = true;
  config.repetition_penalty = 1.7;
  config.max_new_tokens = 15;
  const std::vector<std::int32_t> prompt = {4, 9, 4, 60, 12};
  const Completion got = (*Generate(toy.policy(), toy.compute, {{{prompt}}}, config, {}))[0][0];
  std::vector<std::int32_t> ids = prompt;
  bool changed = false;
  for (const std::int32_t token : got.ids) {
    const std::vector<float> hidden = RunWhole(toy.policy(), toy.compute, {ids})[0];
    const std::size_t width = toy.config.hidden_size;
    std::vector<float> logits(toy.config.vocab_size);
    HeadLogits(toy.policy(), toy.compute, {hidden.data() + (ids.size() - 1) * width, 1, width},
               {logits.data(), 1, logits.size()});
    const auto plain = std::max_element(logits.begin(), logits.end()) - logits.begin();
    for (const std::int32_t id : std::set<std::int32_t>(ids.begin(), ids.end())) {
      float& logit = logits[static_cast<std::size_t>(id)];
      logit = logit < 0 ? logit * 1.7f : logit / 1.7f;
    }
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    EXPECT_EQ(token, best);
    changed |= best != plain;
    ids.push_back(token);
  }
  EXPECT_TRUE(changed);
}

// First tokens of many completions of one prompt against the reference's probabilities.
TEST(Generate, SamplesTheFilteredDistribution) {
  ToyPolicy toy;
  const std::vector<std::int32_t> prompt = {8, 30, 8, 2};
  const std::vector<float> hidden = RunWhole(toy.policy(), toy.compute, {prompt})[0];
  const std::size_t width = toy.config.hidden_size;
  std::vector<float> logits(toy.config.vocab_size);
  HeadLogits(toy.policy(), toy.compute, {hidden.data() + 3 * width, 1, width},
             {logits.data(), 1, logits.size()});
  std::vector<SamplingConfig> configs = SomeConfigs();
  configs.pop_back();  // greedy
  configs.push_back({.temperature = 2.5, .top_k = 5});
  configs.push_back({.temperature = 2.0, .top_p = 0.6});
  configs.push_back({.temperature = 2.0, .min_p = 0.1});
  configs.push_back({.temperature = 2.0, .repetition_penalty = 3.0});
  for (SamplingConfig& config : configs) {
    constexpr int kDraws = 4000;
    config.max_new_tokens = 1;
    const Results results =
        *Generate(toy.policy(), toy.compute, {{{prompt, 1, kDraws}}}, config, {.max_batch = 512});
    std::map<std::int32_t, int> counts;
    for (const Completion& completion : results[0]) ++counts[completion.ids[0]];
    const std::vector<double> p = ReferenceDistribution(config, logits, {2, 8, 30});
    // Pearson's chi-square with cells of at least 5 expected draws; the rest is one cell.
    double chi = 0, rest_expected = 0;
    int rest = 0, cells = 0;
    for (std::size_t id = 0; id < p.size(); ++id) {
      const auto found = counts.find(static_cast<std::int32_t>(id));
      const int count = found == counts.end() ? 0 : found->second;
      if (p[id] == 0) {
        ASSERT_EQ(count, 0) << id;
      }
      const double expected = p[id] * kDraws;
      if (expected < 5) {
        rest += count;
        rest_expected += expected;
        continue;
      }
      chi += (count - expected) * (count - expected) / expected;
      ++cells;
    }
    if (rest_expected >= 5) {
      chi += (rest - rest_expected) * (rest - rest_expected) / rest_expected;
      ++cells;
    }
    ASSERT_GT(cells, 2);
    // Mean and standard deviation of chi-square with cells - 1 degrees of freedom.
    EXPECT_LT(chi, cells - 1 + 4.5 * std::sqrt(2.0 * (cells - 1)));
  }
}

TEST(Generate, EndsAtStopIdsOfTheModelAndOfTheConfigurationAndKeepsThem) {
  ToyPolicy toy;
  SamplingConfig config;
  config.max_new_tokens = 60;
  config.ignore_eos = true;
  config.stop_ids = {17};
  const std::vector<GenerationRequest> requests = {{{1, 2}, 0, 12}};
  const Results free = *Generate(toy.policy(), toy.compute, requests, config, {});
  config.ignore_eos = false;
  toy.model.stop_ids = {5, 33};
  const Results bound = *Generate(toy.policy(), toy.compute, requests, config, {});
  int stopped = 0;
  for (std::size_t g = 0; g < 12; ++g) {
    const std::vector<std::int32_t>& all = free[0][g].ids;
    EXPECT_EQ(all.size(), 60u);
    EXPECT_EQ(free[0][g].finish_reason, FinishReason::kLength);
    auto end = std::find_if(all.begin(), all.end(),
                            [](std::int32_t id) { return id == 5 || id == 17 || id == 33; });
    const bool stop = end != all.end();
    if (stop) ++end;
    stopped += stop ? 1 : 0;
    EXPECT_EQ(bound[0][g].ids, std::vector<std::int32_t>(all.begin(), end));
    EXPECT_EQ(bound[0][g].finish_reason, stop ? FinishReason::kStop : FinishReason::kLength);
  }
  EXPECT_GT(stopped, 0);
}

TEST(Generate, EndsWhereTheCallbackSays) {
  ToyPolicy toy;
  SamplingConfig config;
  config.max_new_tokens = 9;
  GenerationOptions options;
  options.stop = [](std::size_t request, std::size_t sample, std::span<const std::int32_t> ids) {
    return request == 1 && ids.size() == 2 + sample;
  };
  const std::vector<GenerationRequest> requests = {{{1}, 0, 2}, {{2}, 1, 2}};
  const Results results = *Generate(toy.policy(), toy.compute, requests, config, options);
  EXPECT_EQ(results[0][1].ids.size(), 9u);
  EXPECT_EQ(results[1][0].ids.size(), 2u);
  EXPECT_EQ(results[1][1].ids.size(), 3u);
  EXPECT_EQ(results[1][1].finish_reason, FinishReason::kStop);
}

TEST(Generate, ReportsRequestsInOrderWithAllTheirCompletions) {
  ToyPolicy toy;
  const std::vector<GenerationRequest> requests = SomeRequests(toy.config);
  SamplingConfig config = SomeConfigs()[0];
  std::vector<std::size_t> order;
  std::vector<std::vector<Completion>> seen;
  GenerationOptions options{.max_batch = 4};
  options.done = [&](std::size_t request, std::span<const Completion> completions) {
    order.push_back(request);
    seen.emplace_back(completions.begin(), completions.end());
  };
  GenerationStats stats;
  const Results results = *Generate(toy.policy(), toy.compute, requests, config, options, &stats);
  ASSERT_EQ(order.size(), requests.size());
  std::size_t prompt_tokens = 0, new_tokens = 0, context_tokens = 0;
  for (std::size_t r = 0; r < order.size(); ++r) {
    EXPECT_EQ(order[r], r);
    ExpectSame(seen[r], results[r]);
    prompt_tokens += requests[r].prompt.size();
    for (const Completion& completion : results[r]) {
      new_tokens += completion.ids.size();
      for (std::size_t t = 0; t < completion.ids.size(); ++t) {
        context_tokens += requests[r].prompt.size() + t;
      }
      EXPECT_GT(completion.seconds, 0);
    }
  }
  EXPECT_EQ(stats.prompt_tokens, prompt_tokens);
  EXPECT_EQ(stats.new_tokens, new_tokens);
  EXPECT_EQ(stats.context_tokens, context_tokens);
  EXPECT_GT(stats.decode_steps, new_tokens / 4 - 1);
  EXPECT_GT(stats.prefill_seconds, 0);
  EXPECT_GT(stats.decode_seconds, 0);
}

TEST(Generate, AbandonsTheRestWhenCancelled) {
  ToyPolicy toy;
  SamplingConfig config;
  config.max_new_tokens = 8;
  GenerationOptions options{.max_batch = 2};
  int polls = 0, done = 0;
  options.cancelled = [&] { return ++polls > 12; };  // one request finished, the second half way
  options.done = [&](std::size_t, std::span<const Completion>) { ++done; };
  const std::vector<GenerationRequest> requests = {{{1}, 0, 2}, {{2}, 1, 2}, {{3}, 2, 2}};
  const Results results = *Generate(toy.policy(), toy.compute, requests, config, options);
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(done, 1);
  EXPECT_EQ(results[0][1].ids.size(), 8u);
  for (const std::size_t r : {1, 2}) {
    for (const Completion& completion : results[r]) EXPECT_TRUE(completion.ids.empty());
  }
}

TEST(Generate, OfNoRequestsIsEmpty) {
  ToyPolicy toy;
  EXPECT_TRUE(Generate(toy.policy(), toy.compute, {}, {}, {})->empty());
}

}  // namespace
}  // namespace pawl
