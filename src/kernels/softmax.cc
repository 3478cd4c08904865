#include "kernels/softmax.h"

#include <algorithm>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/math.h"
#include "kernels/rows.h"

namespace pawl {
namespace {

std::size_t Chunks(std::size_t n) { return (n + kChunk - 1) / kChunk; }
std::size_t ChunkSize(std::size_t n, std::size_t c) { return std::min(kChunk, n - c * kChunk); }

struct ChunkMax {
  float max;
  std::size_t index;
};

// The largest chunk maximum, the first of equals.
ChunkMax Largest(std::span<const ChunkMax> chunks) {
  ChunkMax best = chunks[0];
  for (const ChunkMax& chunk : chunks) {
    if (chunk.max > best.max) best = chunk;
  }
  return best;
}

RowStatistics Combine(const ChunkMax& top, float max, std::span<const ChunkSums> chunks) {
  float sum = 0, moment = 0;
  for (const ChunkSums& chunk : chunks) {
    sum += chunk.sum;
    moment += chunk.moment;
  }
  const float log_sum = LogF(sum);
  return {max, sum, log_sum, log_sum - moment / sum, static_cast<std::int32_t>(top.index)};
}

}  // namespace

void SoftmaxStatistics(const Compute& compute, MatrixView<const float> logits,
                       float inverse_temperature, std::span<RowStatistics> statistics) {
  const std::size_t n = logits.cols(), chunks = Chunks(n), rows = logits.rows();
  PAWL_CHECK(statistics.size() >= rows && n > 0);
  std::vector<ChunkMax> tops(rows * chunks);
  std::vector<ChunkSums> sums(rows * chunks);
  const std::size_t cost = std::min(n, kChunk);
  EachRow(compute, rows * chunks, cost, [&](std::size_t unit) {
    const std::size_t c = unit % chunks;
    const float* start = logits.row(unit / chunks) + c * kChunk;
    std::size_t index = 0;
    const float max = compute.kernels.max_row(start, ChunkSize(n, c), &index);
    tops[unit] = {max, index + c * kChunk};
  });
  std::vector<ChunkMax> best(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    best[r] = Largest(std::span<const ChunkMax>(tops).subspan(r * chunks, chunks));
  }
  EachRow(compute, rows * chunks, 8 * cost, [&](std::size_t unit) {
    const std::size_t r = unit / chunks, c = unit % chunks;
    sums[unit] = compute.kernels.chunk_sums(logits.row(r) + c * kChunk, ChunkSize(n, c),
                                            inverse_temperature, best[r].max * inverse_temperature);
  });
  for (std::size_t r = 0; r < rows; ++r) {
    statistics[r] = Combine(best[r], best[r].max * inverse_temperature,
                            std::span<const ChunkSums>(sums).subspan(r * chunks, chunks));
  }
}

void LogProbBackward(const Compute& compute, std::span<const std::int32_t> targets,
                     std::span<const RowStatistics> statistics, float inverse_temperature,
                     std::span<const float> dloss_dlogp, std::span<const float> dloss_dentropy,
                     MatrixView<float> logits) {
  const std::size_t n = logits.cols(), chunks = Chunks(n);
  EachRow(compute, logits.rows() * chunks, 8 * std::min(n, kChunk), [&](std::size_t unit) {
    const std::size_t r = unit / chunks, c = unit % chunks;
    const float dentropy = dloss_dentropy.empty() ? 0.0f : dloss_dentropy[r];
    compute.kernels.log_prob_backward(logits.row(r) + c * kChunk, ChunkSize(n, c),
                                      inverse_temperature, statistics[r], dloss_dlogp[r], dentropy);
  });
  for (std::size_t r = 0; r < logits.rows(); ++r) {
    if (targets[r] >= 0) {
      logits.row(r)[targets[r]] += dloss_dlogp[r] * inverse_temperature;
    }
  }
}

// Counter words of the block that serves tokens 4b .. 4b+3: {b | position << 16, sample, item low,
// item high}; a position above 65,535 changes the sample word's high byte.  So a vocabulary of up
// to 262,144 tokens has one block for every four tokens and every position its own.
std::int32_t GumbelArgmax(const Compute& compute, std::span<const float> logits,
                          float inverse_temperature, const SampleAddress& address) {
  const std::size_t n = logits.size();
  PAWL_CHECK(n > 0 && n <= 262'144);
  const std::size_t chunks = Chunks(n);
  std::vector<ChunkMax> tops(chunks);
  EachRow(compute, chunks, 16 * std::min(n, kChunk), [&](std::size_t c) {
    compute.kernels.gumbel_argmax(logits.data(), c * kChunk, c * kChunk + ChunkSize(n, c),
                                  inverse_temperature, address, &tops[c].max, &tops[c].index);
  });
  return static_cast<std::int32_t>(Largest(tops).index);
}

void GumbelArgmaxRows(const Compute& compute, MatrixView<const float> logits,
                      float inverse_temperature, std::span<const SampleAddress> addresses,
                      std::span<std::int32_t> tokens) {
  const std::size_t n = logits.cols(), chunks = Chunks(n);
  PAWL_CHECK(n > 0 && n <= 262'144);
  PAWL_CHECK(addresses.size() >= logits.rows() && tokens.size() >= logits.rows());
  std::vector<ChunkMax> tops(logits.rows() * chunks);
  EachRow(compute, logits.rows() * chunks, 16 * std::min(n, kChunk), [&](std::size_t unit) {
    const std::size_t r = unit / chunks, c = unit % chunks;
    compute.kernels.gumbel_argmax(logits.row(r), c * kChunk, c * kChunk + ChunkSize(n, c),
                                  inverse_temperature, addresses[r], &tops[unit].max,
                                  &tops[unit].index);
  });
  for (std::size_t r = 0; r < logits.rows(); ++r) {
    tokens[r] = static_cast<std::int32_t>(
        Largest(std::span<const ChunkMax>(tops).subspan(r * chunks, chunks)).index);
  }
}

}  // namespace pawl
