#include "model/divergence.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "kernels/math.h"
#include "kernels/softmax.h"

namespace pawl {
namespace {

// Rows whose logits are held at once: 20 MB for two models of 152k tokens.
constexpr std::size_t kRows = 16;

// One policy's distributions of a line, a block of rows at a time.
struct Side {
  Side(const Policy& source, const Compute& threads, const std::vector<std::int32_t>& ids)
      : policy(source),
        compute(threads),
        hidden(ids.size() * source.model.config.hidden_size),
        logits(std::min(kRows, ids.size()) * source.model.config.vocab_size) {
    KvCache cache(policy.model.config);
    KvSequence sequence(cache);
    const SequenceRows rows{0, ids.size(), &sequence};
    Scratch scratch;
    Forward(policy, compute, ids, {&rows, 1}, scratch, nullptr,
            {hidden.data(), ids.size(), policy.model.config.hidden_size});
  }

  void Block(std::size_t first, std::size_t count) {
    const ModelConfig& config = policy.model.config;
    block = {logits.data(), count, config.vocab_size};
    HeadLogits(policy, compute,
               {hidden.data() + first * config.hidden_size, count, config.hidden_size}, block);
    statistics.resize(count);
    SoftmaxStatistics(compute, block, 1.0f, statistics);
  }

  double LogP(std::size_t row, std::size_t token) const {
    return static_cast<double>(LogProb(block.row(row)[token], 1.0f, statistics[row]));
  }

  const Policy& policy;
  const Compute& compute;
  AlignedBuffer<float> hidden, logits;
  MatrixView<float> block;
  std::vector<RowStatistics> statistics;
};

}  // namespace

Divergence MeasureDivergence(const Policy& reference, const Policy& other, const Compute& compute,
                             std::span<const std::vector<std::int32_t>> lines) {
  const std::size_t vocabulary = reference.model.config.vocab_size;
  PAWL_CHECK(other.model.config.vocab_size == vocabulary);
  Divergence out;
  std::size_t agreeing = 0, followed = 0;
  for (const std::vector<std::int32_t>& ids : lines) {
    Side p(reference, compute, ids), q(other, compute, ids);
    for (std::size_t first = 0; first < ids.size(); first += kRows) {
      const std::size_t count = std::min(kRows, ids.size() - first);
      p.Block(first, count);
      q.Block(first, count);
      for (std::size_t r = 0; r < count; ++r) {
        double kl = 0;
        for (std::size_t v = 0; v < vocabulary; ++v) {
          const double log_p = p.LogP(r, v);
          kl += ExpD(log_p) * (log_p - q.LogP(r, v));
        }
        out.mean_kl += kl;
        out.max_kl = std::max(out.max_kl, kl);
        agreeing += p.statistics[r].argmax == q.statistics[r].argmax ? 1 : 0;
        if (first + r + 1 < ids.size()) {
          const auto next = static_cast<std::size_t>(ids[first + r + 1]);
          out.mean_log_prob_difference += std::fabs(p.LogP(r, next) - q.LogP(r, next));
          ++followed;
        }
      }
    }
    out.positions += ids.size();
  }
  const auto count = static_cast<double>(std::max<std::size_t>(out.positions, 1));
  out.mean_kl /= count;
  out.greedy_agreement = static_cast<double>(agreeing) / count;
  out.mean_log_prob_difference /= static_cast<double>(std::max<std::size_t>(followed, 1));
  return out;
}

}  // namespace pawl
