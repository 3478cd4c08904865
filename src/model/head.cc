#include <algorithm>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/linear.h"
#include "kernels/softmax.h"
#include "model/activations.h"
#include "model/backward.h"
#include "model/forward.h"
#include "model/rows.h"

namespace pawl {
namespace {

// Rows a chunk: logits of 4 MB, but at least so many rows that transposing the head for the
// gradient (once a chunk) stays a small part: at 64 rows of a 0.5B model it takes a third of that
// product.
std::size_t ChunkRows(std::size_t vocabulary) {
  return std::clamp<std::size_t>((std::size_t{1} << 20) / vocabulary, 2 * kHeadChunkRows, 1024);
}

void WriteScores(MatrixView<const float> logits, std::span<const std::int32_t> targets,
                 float inverse_temperature, std::span<const RowStatistics> statistics,
                 std::size_t m, std::size_t row, const HeadScores& scores) {
  const std::int32_t target = targets[m];
  if (!scores.log_probs.empty()) {
    scores.log_probs[row] =
        target < 0 ? 0.0f : LogProb(logits.row(m)[target], inverse_temperature, statistics[m]);
  }
  if (!scores.entropies.empty()) scores.entropies[row] = statistics[m].entropy;
  if (!scores.argmax.empty()) scores.argmax[row] = statistics[m].argmax;
}

// Logits and statistics of hidden rows into the buffers; returns the logits.
MatrixView<float> ScoreChunk(const Policy& policy, const Compute& compute,
                             MatrixView<const float> hidden, float inverse_temperature,
                             Scratch::Buffers& buffers) {
  MatrixView<float> logits = buffers.logits.Shape(hidden.rows(), policy.model.weights.head().n());
  HeadLogits(policy, compute, hidden, logits);
  buffers.statistics.resize(hidden.rows());
  SoftmaxStatistics(compute, logits, inverse_temperature, buffers.statistics);
  return logits;
}

}  // namespace

void HeadLogits(const Policy& policy, const Compute& compute, MatrixView<const float> hidden,
                MatrixView<float> logits) {
  LinearForward(compute, hidden, policy.model.weights.head(), {}, Output::kWrite, logits);
}

void HeadForward(const Policy& policy, const Compute& compute, MatrixView<const float> hidden,
                 std::span<const std::int32_t> targets, float inverse_temperature, Scratch& scratch,
                 const HeadScores& scores) {
  const ProfilePart part(Part::kHead);
  PAWL_CHECK(targets.size() == hidden.rows());
  Scratch::Buffers& buffers = scratch.buffers();
  const std::size_t chunk = ChunkRows(policy.model.weights.head().n());
  for (std::size_t first = 0; first < hidden.rows(); first += chunk) {
    const std::size_t count = std::min(chunk, hidden.rows() - first);
    const MatrixView<float> logits =
        ScoreChunk(policy, compute, hidden.Rows(first, count), inverse_temperature, buffers);
    for (std::size_t m = 0; m < count; ++m) {
      WriteScores(logits, targets.subspan(first, count), inverse_temperature, buffers.statistics, m,
                  first + m, scores);
    }
  }
}

void HeadForwardBackward(const Policy& policy, const Compute& compute,
                         MatrixView<const float> hidden, std::span<const std::int32_t> targets,
                         float inverse_temperature, std::span<const float> dloss_dlogp,
                         std::span<const float> dloss_dentropy, Scratch& scratch,
                         const HeadScores& scores, MatrixView<float> dhidden,
                         const Gradients& gradients) {
  const ProfilePart part(Part::kHead);
  const std::size_t rows = hidden.rows(), width = hidden.cols();
  PAWL_CHECK(targets.size() == rows && dloss_dlogp.size() == rows);
  PAWL_CHECK(dloss_dentropy.empty() || dloss_dentropy.size() == rows);
  Scratch::Buffers& b = scratch.buffers();
  const std::size_t chunk = ChunkRows(policy.model.weights.head().n());
  const bool score =
      !scores.log_probs.empty() || !scores.entropies.empty() || !scores.argmax.empty();
  ZeroRows(compute, dhidden);

  // Rows with a gradient first, then those that are only scored: the backward products then run
  // over a prefix of a chunk.  Within each kind rows ascend, which is the order of the sums in dW.
  const auto has_gradient = [&](std::size_t t) {
    return dloss_dlogp[t] != 0.0f || (!dloss_dentropy.empty() && dloss_dentropy[t] != 0.0f);
  };
  b.head_index.clear();
  for (std::size_t t = 0; t < rows; ++t) {
    if (has_gradient(t)) b.head_index.push_back(t);
  }
  const std::size_t gradient_rows = b.head_index.size();
  for (std::size_t t = 0; t < rows && score; ++t) {
    if (!has_gradient(t)) b.head_index.push_back(t);
  }

  for (std::size_t first = 0; first < b.head_index.size(); first += chunk) {
    const std::size_t count = std::min(chunk, b.head_index.size() - first);
    const std::span<const std::size_t> index{b.head_index.data() + first, count};
    MatrixView<float> gathered = b.head_rows.Shape(count, width);
    b.head_targets.resize(count);
    b.head_dlogp.resize(count);
    b.head_dentropy.resize(dloss_dentropy.empty() ? 0 : count);
    for (std::size_t m = 0; m < count; ++m) {
      std::memcpy(gathered.row(m), hidden.row(index[m]), width * sizeof(float));
      b.head_targets[m] = targets[index[m]];
      b.head_dlogp[m] = dloss_dlogp[index[m]];
      if (!dloss_dentropy.empty()) b.head_dentropy[m] = dloss_dentropy[index[m]];
    }
    const MatrixView<float> logits = ScoreChunk(policy, compute, gathered, inverse_temperature, b);
    for (std::size_t m = 0; m < count; ++m) {
      WriteScores(logits, b.head_targets, inverse_temperature, b.statistics, m, index[m], scores);
    }
    const std::size_t backward = std::min(count, gradient_rows - std::min(gradient_rows, first));
    if (backward == 0) continue;
    const MatrixView<float> dlogits = logits.Rows(0, backward);
    LogProbBackward(
        compute, std::span(b.head_targets).first(backward), std::span(b.statistics).first(backward),
        inverse_temperature, std::span(b.head_dlogp).first(backward),
        std::span(b.head_dentropy).first(dloss_dentropy.empty() ? 0 : backward), dlogits);
    MatrixView<float> dgathered = b.head_gradient.Shape(backward, width);
    LinearBackwardInput(compute, dlogits, policy.model.weights.head(), Output::kWrite, dgathered);
    for (std::size_t m = 0; m < backward; ++m) {
      std::memcpy(dhidden.row(index[m]), dgathered.row(m), width * sizeof(float));
    }
    if (gradients.weights != nullptr) {
      Weights& dw = *gradients.weights;
      LinearBackwardWeight(compute, dlogits, gathered.Rows(0, backward),
                           dw.lm_head.empty() ? dw.embed : dw.lm_head);
    }
  }
}

}  // namespace pawl
