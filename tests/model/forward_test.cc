#include "model/forward.h"

#include <gtest/gtest.h>

#include "model/toy.h"

namespace pawl {
namespace {

struct Setting {
  ToyKind kind;
  bool tied, adapter;
  Precision precision;
};

const std::vector<Setting> kSettings = {
    {ToyKind::kQwen2, true, false, Precision::kBf16},
    {ToyKind::kQwen2, true, true, Precision::kBf16},
    {ToyKind::kQwen3, false, true, Precision::kF32},
    {ToyKind::kLlama, false, false, Precision::kF32},
    {ToyKind::kQwen2, true, true, Precision::kInt8},
    {ToyKind::kQwen3, false, false, Precision::kInt8},
};

using Sequences = std::vector<std::vector<std::int32_t>>;

Sequences SomeSequences(const ModelConfig& config) {
  Sequences sequences;
  for (const std::size_t length : {1, 7, 64, 65, 130, 33, 2}) {
    sequences.push_back(RandomIds(config, length, 100 + length));
  }
  return sequences;
}

// Sequences advanced together in steps of random sizes (0: not in this step) until all are done.
std::vector<std::vector<float>> RunInSteps(const Policy& policy, const Compute& compute,
                                           const Sequences& sequences, std::uint32_t largest,
                                           std::uint64_t seed) {
  const std::size_t width = policy.model.config.hidden_size;
  RandomStream stream({seed, RandomPurpose::kTest, 4, 0});
  KvCache cache(policy.model.config);
  std::vector<KvSequence> caches;
  for (std::size_t s = 0; s < sequences.size(); ++s) caches.emplace_back(cache);
  std::vector<std::vector<float>> out(sequences.size());
  Scratch scratch;
  while (true) {
    std::vector<std::int32_t> ids;
    std::vector<SequenceRows> rows;
    std::vector<std::size_t> who;
    bool done = true;
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      const std::size_t left = sequences[s].size() - caches[s].length();
      done = done && left == 0;
      const std::size_t count =
          std::min<std::size_t>(left, largest == 1 ? 1 : stream.Below(largest + 1));
      if (count == 0) continue;
      rows.push_back({ids.size(), count, &caches[s]});
      const auto first = sequences[s].begin() + static_cast<std::ptrdiff_t>(caches[s].length());
      ids.insert(ids.end(), first, first + static_cast<std::ptrdiff_t>(count));
      who.push_back(s);
    }
    if (done) return out;
    std::vector<float> hidden(ids.size() * width);
    Forward(policy, compute, ids, rows, scratch, nullptr, {hidden.data(), ids.size(), width});
    for (std::size_t i = 0; i < who.size(); ++i) {
      const auto first = hidden.begin() + static_cast<std::ptrdiff_t>(rows[i].row_begin * width);
      out[who[i]].insert(out[who[i]].end(), first,
                         first + static_cast<std::ptrdiff_t>(rows[i].row_count * width));
    }
  }
}

TEST(Forward, GivesTheSameBitsForEveryCutBatchThreadCountAndInstructionSet) {
  for (const Setting& setting : kSettings) {
    ThreadPool one(1);
    const ModelConfig config = ToyConfig(setting.kind, setting.tied);
    const Model model = ToyModel(config, setting.precision, one);
    const Adapter adapter = ToyAdapter(config, {.r = 5, .target_modules = {"all-linear"}});
    const Policy policy{model, setting.adapter ? &adapter : nullptr};
    const Sequences sequences = SomeSequences(config);
    std::vector<std::vector<float>> expected;
    for (const auto& sequence : sequences) {
      expected.push_back(RunWhole(policy, Compute(one, Isa::kPortable), {sequence})[0]);
    }
    for (const Isa isa : SupportedIsas()) {
      for (const int threads : {1, 2, 3, 8}) {
        ThreadPool pool(threads);
        const Compute compute(pool, isa);
        EXPECT_EQ(RunWhole(policy, compute, sequences), expected) << IsaName(isa) << threads;
        EXPECT_EQ(RunInSteps(policy, compute, sequences, 40, static_cast<std::uint64_t>(threads)),
                  expected);
        if (threads == 2) {
          EXPECT_EQ(RunInSteps(policy, compute, sequences, 1, 0), expected);
        }
      }
    }
  }
}

TEST(Forward, SavingActivationsChangesNoBit) {
  for (const Setting& setting : kSettings) {
    ThreadPool pool(2);
    const Compute compute(pool);
    const ModelConfig config = ToyConfig(setting.kind, setting.tied);
    const Model model = ToyModel(config, setting.precision, pool);
    const Policy policy{model, nullptr};
    const std::vector<std::int32_t> ids = RandomIds(config, 90, 1);
    KvCache cache(config);
    KvSequence sequence(cache);
    Scratch scratch;
    SavedActivations saved;
    std::vector<float> hidden(ids.size() * config.hidden_size);
    const SequenceRows rows{0, ids.size(), &sequence};
    Forward(policy, compute, ids, {&rows, 1}, scratch, &saved,
            {hidden.data(), ids.size(), config.hidden_size});
    EXPECT_EQ(hidden, RunWhole(policy, compute, {ids})[0]);
    EXPECT_EQ(saved.bytes(), ids.size() * ActivationBytesPerRow(config, nullptr));
    SavedActivations inputs(Saving::kRecompute);
    std::vector<float> again(hidden.size());
    KvSequence other(cache);
    const SequenceRows other_rows{0, ids.size(), &other};
    Forward(policy, compute, ids, {&other_rows, 1}, scratch, &inputs,
            {again.data(), ids.size(), config.hidden_size});
    EXPECT_EQ(again, hidden);
    EXPECT_EQ(inputs.bytes(),
              ids.size() * ActivationBytesPerRow(config, nullptr, Saving::kRecompute));
    EXPECT_LT(inputs.bytes(), saved.bytes());
  }
}

TEST(Forward, BatchesBeyondOneBlockOfRowsGiveTheSameBits) {
  ThreadPool pool(2);
  const Compute compute(pool);
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  const Model model = ToyModel(config, Precision::kF32, pool);
  const Policy policy{model, nullptr};
  Sequences sequences;
  for (std::uint64_t s = 0; s < 3; ++s) sequences.push_back(RandomIds(config, 400, s));
  std::vector<std::vector<float>> expected;
  for (const auto& sequence : sequences) {
    expected.push_back(RunInSteps(policy, compute, {sequence}, 50, 7)[0]);
  }
  EXPECT_EQ(RunWhole(policy, compute, sequences), expected);
}

TEST(Forward, AForkContinuesAsItsOriginalWould) {
  ThreadPool pool(2);
  const Compute compute(pool);
  const ModelConfig config = ToyConfig(ToyKind::kQwen3, true);
  const Model model = ToyModel(config, Precision::kF32, pool);
  const Policy policy{model, nullptr};
  const std::size_t width = config.hidden_size;
  for (const std::size_t prompt : {1, 63, 64, 65, 100}) {
    const std::vector<std::int32_t> ids = RandomIds(config, prompt + 70, prompt);
    const std::vector<float> expected = RunWhole(policy, compute, {ids})[0];
    KvCache cache(config);
    KvSequence first(cache);
    Scratch scratch;
    std::vector<float> hidden(ids.size() * width);
    const std::span<const std::int32_t> all(ids);
    const SequenceRows start{0, prompt, &first};
    Forward(policy, compute, all.first(prompt), {&start, 1}, scratch, nullptr,
            {hidden.data(), prompt, width});
    KvSequence fork = first.Fork();
    // The original goes elsewhere first: the fork must not notice.
    const std::vector<std::int32_t> other = RandomIds(config, 70, 999);
    std::vector<float> ignored(70 * width);
    const SequenceRows aside{0, 70, &first};
    Forward(policy, compute, other, {&aside, 1}, scratch, nullptr, {ignored.data(), 70, width});
    const SequenceRows rest{0, 70, &fork};
    Forward(policy, compute, all.subspan(prompt), {&rest, 1}, scratch, nullptr,
            {hidden.data() + prompt * width, 70, width});
    EXPECT_EQ(hidden, expected) << prompt;
  }
}

TEST(KvCache, SharesFullPagesAndReturnsThemWhenSequencesGo) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  KvCache cache(config);
  {
    KvSequence prompt(cache);
    prompt.Extend(130);
    EXPECT_EQ(cache.pages_in_use(), 3u);
    KvSequence fork = prompt.Fork();
    EXPECT_EQ(cache.pages_in_use(), 4u);  // two shared, the third copied
    EXPECT_EQ(fork.Pages(0)[0], prompt.Pages(0)[0]);
    EXPECT_NE(fork.Pages(0)[2], prompt.Pages(0)[2]);
    fork.Extend(63);
    EXPECT_EQ(cache.pages_in_use(), 5u);
    KvSequence moved(std::move(fork));
    EXPECT_EQ(moved.length(), 193u);
  }
  EXPECT_EQ(cache.pages_in_use(), 0u);
}

TEST(KvCache, HandsOutZeroedPagesAgain) {
  const ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  KvCache cache(config);
  const std::size_t floats = cache.shape().page_floats();
  for (int round = 0; round < 2; ++round) {
    KvSequence sequence(cache);
    sequence.Extend(1);
    for (std::size_t layer = 0; layer < cache.layers(); ++layer) {
      float* page = sequence.Pages(layer)[0];
      for (std::size_t i = 0; i < floats; ++i) EXPECT_EQ(page[i], 0.0f);
      std::fill(page, page + floats, 3.0f);
    }
  }
}

TEST(Head, ScoresTheSameInAnyChunkAndAgreesWithItsLogits) {
  ThreadPool pool(2);
  const Compute compute(pool);
  const ModelConfig config = ToyConfig(ToyKind::kLlama, false);
  const Model model = ToyModel(config, Precision::kF32, pool);
  const Policy policy{model, nullptr};
  const std::size_t rows = 1500, width = config.hidden_size;
  const std::vector<std::int32_t> ids = RandomIds(config, 500, 3);
  Sequences sequences(3, ids);
  std::vector<float> hidden;
  for (const auto& part : RunWhole(policy, compute, sequences)) {
    hidden.insert(hidden.end(), part.begin(), part.end());
  }
  std::vector<std::int32_t> targets = RandomIds(config, rows, 4), argmax(rows);
  targets[5] = -1;
  std::vector<float> log_probs(rows), entropies(rows);
  Scratch scratch;
  HeadForward(policy, compute, {hidden.data(), rows, width}, targets, 1.25f, scratch,
              {log_probs, entropies, argmax});
  EXPECT_EQ(log_probs[5], 0.0f);
  std::vector<float> logits(config.vocab_size);
  for (const std::size_t row : {0ul, 5ul, 6ul, 1023ul, 1024ul, 1499ul}) {
    HeadLogits(policy, compute, {hidden.data() + row * width, 1, width},
               {logits.data(), 1, logits.size()});
    RowStatistics statistics;
    SoftmaxStatistics(compute, {logits.data(), 1, logits.size()}, 1.25f, {&statistics, 1});
    EXPECT_EQ(argmax[row], statistics.argmax);
    EXPECT_EQ(entropies[row], statistics.entropy);
    if (targets[row] >= 0) {
      EXPECT_EQ(log_probs[row],
                LogProb(logits[static_cast<std::size_t>(targets[row])], 1.25f, statistics));
    }
  }
}

}  // namespace
}  // namespace pawl
