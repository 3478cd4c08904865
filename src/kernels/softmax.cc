#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/kernel_table.h"
#include "kernels/math.h"

namespace pawl {
namespace {

constexpr std::size_t kChunk = 4096;

std::size_t Chunks(std::size_t columns) { return (columns + kChunk - 1) / kChunk; }

// work(row, chunk) for every chunk of every row, spread over the threads.
template <class Work>
void ForChunks(const Compute& compute, std::size_t rows, std::size_t columns, const Work& work) {
  const std::size_t chunks = Chunks(columns);
  const std::size_t grain = std::max<std::size_t>(1, kChunk / (columns + 1));
  compute.pool.For(rows * chunks, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) work(i / chunks, i % chunks);
  });
}

std::size_t ChunkSize(std::size_t columns, std::size_t chunk) {
  return std::min(kChunk, columns - chunk * kChunk);
}

// The better of two, `right` having higher indices.
Best Better(Best left, Best right) {
  return right.index >= 0 && (left.index < 0 || right.score > left.score) ? right : left;
}

// Sums of chunks are added in double, in order: 38 chunks of a 151,936-word vocabulary would cost
// two digits in float32.
RowStatistics Combine(Best best, std::span<const ChunkSums> chunks) {
  double sum = 0, weighted = 0;
  for (const ChunkSums& chunk : chunks) {
    sum += chunk.sum;
    weighted += chunk.weighted;
  }
  const double log_sum = LogD(sum);
  RowStatistics out;
  out.max = best.score;
  out.argmax = std::max(best.index, 0);
  out.sum = static_cast<float>(sum);
  out.log_sum = static_cast<float>(log_sum);
  out.entropy = static_cast<float>(log_sum - weighted / sum);
  return out;
}

}  // namespace

void SoftmaxStatistics(const Compute& compute, MatrixView<const float> logits,
                       float inverse_temperature, std::span<RowStatistics> statistics) {
  const ProfileKind timed(Kind::kSoftmax);
  PAWL_CHECK(statistics.size() == logits.rows());
  PAWL_CHECK(logits.cols() > 0 &&
             logits.cols() <= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()));
  const std::size_t rows = logits.rows(), columns = logits.cols(), chunks = Chunks(columns);
  std::vector<Best> best(rows * chunks);
  ForChunks(compute, rows, columns, [&](std::size_t r, std::size_t c) {
    Best& b = best[r * chunks + c];
    b = compute.kernels.largest(logits.row(r) + c * kChunk, ChunkSize(columns, c),
                                inverse_temperature);
    if (b.index >= 0) b.index += static_cast<std::int32_t>(c * kChunk);
  });
  std::vector<ChunkSums> sums(rows * chunks);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 1; c < chunks; ++c) {
      best[r * chunks] = Better(best[r * chunks], best[r * chunks + c]);
    }
  }
  ForChunks(compute, rows, columns, [&](std::size_t r, std::size_t c) {
    sums[r * chunks + c] =
        compute.kernels.chunk_sums(logits.row(r) + c * kChunk, ChunkSize(columns, c),
                                   inverse_temperature, best[r * chunks].score);
  });
  for (std::size_t r = 0; r < rows; ++r) {
    statistics[r] = Combine(best[r * chunks], {sums.data() + r * chunks, chunks});
  }
}

void LogProbBackward(const Compute& compute, std::span<const std::int32_t> targets,
                     std::span<const RowStatistics> statistics, float inverse_temperature,
                     std::span<const float> dloss_dlogp, std::span<const float> dloss_dentropy,
                     MatrixView<float> logits) {
  const ProfileKind timed(Kind::kSoftmax);
  const std::size_t rows = logits.rows(), columns = logits.cols();
  PAWL_CHECK(targets.size() == rows && statistics.size() == rows && dloss_dlogp.size() == rows);
  PAWL_CHECK(dloss_dentropy.empty() || dloss_dentropy.size() == rows);
  ForChunks(compute, rows, columns, [&](std::size_t r, std::size_t c) {
    const RowStatistics& row = statistics[r];
    const LogitGradient g{inverse_temperature,
                          row.max,
                          row.sum,
                          row.log_sum,
                          row.entropy,
                          dloss_dlogp[r],
                          dloss_dentropy.empty() ? 0.0f : dloss_dentropy[r]};
    const std::size_t begin = c * kChunk, size = ChunkSize(columns, c);
    float* chunk = logits.row(r) + begin;
    const auto target = static_cast<std::size_t>(targets[r]);
    const bool here = targets[r] >= 0 && target >= begin && target < begin + size;
    const float logit = here ? chunk[target - begin] : 0.0f;
    compute.kernels.logit_gradient(chunk, size, g);
    if (!here) return;
    // The same operations as in the kernel, with 1 in place of 0.
    const float shifted = logit * inverse_temperature - g.max;
    const float p = ExpF(shifted) / g.sum;
    float d = g.dlogp * (1.0f - p);
    if (g.dentropy != 0) {
      const float logp = std::max(shifted, std::numeric_limits<float>::lowest()) - g.log_sum;
      d = std::fma(-g.dentropy, p * (logp + g.entropy), d);
    }
    chunk[target - begin] = d * inverse_temperature;
  });
}

namespace {

// Two levels of Philox: block `position` of the stream (seed, kSampling, item, sample) gives the
// key (words 0, 1) and half of the counter (words 2, 3) of the token's numbers, so that addresses
// never share numbers by arithmetic accident.  Number v is word (v / 16) % 4 of the block with
// counter {16 (v / 64) + v % 16, word 2, word 3, 0}: 64 numbers are four vectors of 16.
PhiloxBlock TokenStream(const SampleAddress& a) {
  return RandomBlock({a.seed, RandomPurpose::kSampling, a.item, a.sample}, a.position);
}

Best GumbelPart(const Compute& compute, std::span<const float> logits, std::size_t begin,
                std::size_t end, float inverse_temperature, const PhiloxBlock& stream) {
  Best best{-std::numeric_limits<float>::infinity(), -1};
  compute.kernels.gumbel(logits.data() + begin, begin, end - begin, inverse_temperature,
                         stream.data(), best);
  return best;
}

}  // namespace

std::int32_t GumbelArgmax(const Compute& compute, std::span<const float> logits,
                          float inverse_temperature, const SampleAddress& address) {
  std::int32_t token = -1;
  GumbelArgmaxRows(compute, MatrixView<const float>(logits.data(), 1, logits.size()),
                   inverse_temperature, {&address, 1}, {&token, 1});
  return token;
}

void GumbelArgmaxRows(const Compute& compute, MatrixView<const float> logits,
                      float inverse_temperature, std::span<const SampleAddress> addresses,
                      std::span<std::int32_t> tokens) {
  const ProfileKind timed(Kind::kSoftmax);
  const std::size_t rows = logits.rows(), columns = logits.cols();
  PAWL_CHECK(addresses.size() == rows && tokens.size() == rows && columns > 0);
  // Parts of a row, so that one long row still uses all threads; at most 64 of them.
  const std::size_t per_part = std::max(kChunk, (columns / 64 + 63) / 64 * 64);
  const std::size_t parts = (columns + per_part - 1) / per_part;
  std::vector<Best> best(rows * parts);
  const std::size_t grain = std::max<std::size_t>(1, 1024 / (columns + 1));
  compute.pool.For(rows * parts, grain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t r = i / parts, from = i % parts * per_part;
      best[i] = GumbelPart(compute, logits.row_span(r), from, std::min(columns, from + per_part),
                           inverse_temperature, TokenStream(addresses[r]));
    }
  });
  for (std::size_t r = 0; r < rows; ++r) {
    Best b = best[r * parts];
    for (std::size_t i = 1; i < parts; ++i) b = Better(b, best[r * parts + i]);
    tokens[r] = b.index;
  }
}

}  // namespace pawl
