#include "rollout/sampler.h"

#include <algorithm>

namespace pawl {
namespace {

// A buffer of at least `size`, contents lost.
void Grow(AlignedBuffer<float>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer = AlignedBuffer<float>(size);
}

}  // namespace

Sampler::Sampler(const Policy& policy, const Compute& compute, const SamplingConfig& config)
    : policy_(policy),
      compute_(compute),
      config_(config),
      inverse_temperature_(static_cast<float>(1.0 / config.temperature)),
      inverse_record_temperature_(static_cast<float>(1.0 / config.record_temperature)),
      vocabulary_(policy.model.weights.head().n()),
      scratch_(static_cast<std::size_t>(compute.pool.size())) {}

void Sampler::Sample(MatrixView<const float> hidden, std::span<const SampleAddress> addresses,
                     std::span<const std::span<const std::int32_t>> seen,
                     std::span<std::int32_t> tokens, std::span<float> log_probs) {
  for (std::size_t begin = 0; begin < hidden.rows(); begin += kHeadChunkRows) {
    const std::size_t count = std::min(kHeadChunkRows, hidden.rows() - begin);
    SampleChunk(hidden.Rows(begin, count), addresses.subspan(begin, count),
                seen.empty() ? seen : seen.subspan(begin, count), tokens.subspan(begin, count),
                log_probs.subspan(begin, count));
  }
}

void Sampler::SampleChunk(MatrixView<const float> hidden, std::span<const SampleAddress> addresses,
                          std::span<const std::span<const std::int32_t>> seen,
                          std::span<std::int32_t> tokens, std::span<float> log_probs) {
  const std::size_t rows = hidden.rows();
  Grow(logits_, rows * vocabulary_);
  const MatrixView<float> logits(logits_.data(), rows, vocabulary_);
  HeadLogits(policy_, compute_, hidden, logits);
  statistics_.resize(rows);
  SoftmaxStatistics(compute_, logits, inverse_record_temperature_, statistics_);

  if (HasPenalty(config_) || HasFilters(config_)) {
    Choose(Change(logits, seen), true, addresses, tokens);
  } else {
    Choose(logits, false, addresses, tokens);
  }
  for (std::size_t row = 0; row < rows; ++row) {
    log_probs[row] =
        LogProb(logits.row(row)[tokens[row]], inverse_record_temperature_, statistics_[row]);
  }
}

MatrixView<const float> Sampler::Change(MatrixView<const float> logits,
                                        std::span<const std::span<const std::int32_t>> seen) {
  Grow(changed_, logits.rows() * vocabulary_);
  const MatrixView<float> changed(changed_.data(), logits.rows(), vocabulary_);
  const int threads = compute_.pool.size();
  compute_.pool.Run([&](int thread) {
    const IndexRange range = ThreadRange(logits.rows(), 1, thread, threads);
    for (std::size_t row = range.begin; row < range.end; ++row) {
      const std::span<float> values = changed.row_span(row);
      std::copy_n(logits.row(row), vocabulary_, values.begin());
      if (HasPenalty(config_)) {
        ApplyRepetitionPenalty(static_cast<float>(config_.repetition_penalty), seen[row], values);
      }
      if (HasFilters(config_)) FilterLogits(config_, values, scratch_[thread]);
    }
  });
  return changed;
}

void Sampler::Choose(MatrixView<const float> logits, bool changed,
                     std::span<const SampleAddress> addresses, std::span<std::int32_t> tokens) {
  if (!config_.greedy) {
    GumbelArgmaxRows(compute_, logits, inverse_temperature_, addresses, tokens);
    return;
  }
  const std::vector<RowStatistics>* statistics = &statistics_;
  if (changed) {
    changed_statistics_.resize(logits.rows());
    SoftmaxStatistics(compute_, logits, 1.0f, changed_statistics_);
    statistics = &changed_statistics_;
  }
  for (std::size_t row = 0; row < logits.rows(); ++row) tokens[row] = (*statistics)[row].argmax;
}

}  // namespace pawl
