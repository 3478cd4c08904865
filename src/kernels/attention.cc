#include "kernels/attention.h"

#include <algorithm>
#include <cstring>

#include "kernels/kernel_table.h"

namespace pawl {
namespace {

std::size_t KeyOffset(const AttentionShape& s, std::size_t kv) {
  return kv * s.head_dim * kPagePositions;
}
std::size_t ValueOffset(const AttentionShape& s, std::size_t kv) {
  return (s.kv_heads + kv) * s.head_dim * kPagePositions;
}
float Scale(const AttentionShape& s) {
  return 1.0f / __builtin_sqrtf(static_cast<float>(s.head_dim));
}

std::size_t RowsOf(std::span<const AttentionRows> sequences) {
  std::size_t rows = 0;
  for (const AttentionRows& sequence : sequences) rows += sequence.row_count;
  return rows;
}

// Work that lasts less than a wake-up stays here (about 3 us).
bool Small(std::size_t multiply_adds) { return multiply_adds < 150'000; }

// Calls work(unit) for all units, dealt in turn so that long and short ones mix.
template <class Work>
void Deal(const Compute& compute, std::size_t units, bool here, Work work) {
  const auto threads = static_cast<std::size_t>(compute.pool.size());
  if (here || threads == 1) {
    for (std::size_t u = 0; u < units; ++u) work(u);
    return;
  }
  compute.pool.Run([&](int thread) {
    for (std::size_t u = static_cast<std::size_t>(thread); u < units; u += threads) work(u);
  });
}

}  // namespace

void StoreKeysValues(const Compute& compute, const AttentionShape& shape,
                     std::span<const AttentionRows> sequences, MatrixView<const float> keys,
                     MatrixView<const float> values) {
  const std::size_t D = shape.head_dim;
  const auto store = [&](const AttentionRows& sequence) {
    for (std::size_t i = 0; i < sequence.row_count; ++i) {
      const std::size_t position = sequence.position_begin + i;
      float* page = sequence.pages[position / kPagePositions];
      const std::size_t slot = position % kPagePositions;
      const float* key = keys.row(sequence.row_begin + i);
      const float* value = values.row(sequence.row_begin + i);
      for (std::size_t kv = 0; kv < shape.kv_heads; ++kv) {
        float* to = page + KeyOffset(shape, kv) + slot;
        for (std::size_t d = 0; d < D; ++d) to[d * kPagePositions] = key[kv * D + d];
        std::memcpy(page + ValueOffset(shape, kv) + slot * D, value + kv * D, D * sizeof(float));
      }
    }
  };
  const std::size_t floats = RowsOf(sequences) * shape.kv_heads * D;
  Deal(compute, sequences.size(), floats < 20'000, [&](std::size_t s) { store(sequences[s]); });
}

void AttentionForward(const Compute& compute, const AttentionShape& shape,
                      std::span<const AttentionRows> sequences, MatrixView<const float> queries,
                      MatrixView<float> out, MatrixView<float> softmax) {
  PAWL_CHECK(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0);
  const std::size_t group = shape.heads / shape.kv_heads, D = shape.head_dim;
  const std::size_t rows = RowsOf(sequences);
  std::size_t longest = 0;
  for (const auto& s : sequences) longest = std::max(longest, s.position_begin + s.row_count);
  const auto row = [&](const AttentionRows& sequence, std::size_t i, std::size_t kv) {
    const std::size_t r = sequence.row_begin + i;
    float* max = softmax.rows() == 0 ? nullptr : softmax.row(r) + kv * group;
    float* sum = max == nullptr ? nullptr : max + shape.heads;
    compute.kernels.attention({queries.row(r) + kv * group * D, group, D, sequence.pages.data(),
                               KeyOffset(shape, kv), ValueOffset(shape, kv),
                               sequence.position_begin + i, Scale(shape),
                               out.row(r) + kv * group * D, max, sum});
  };
  // A unit is one row of the batch; rows are dealt in turn, so that short and long contexts mix.
  const auto threads = static_cast<std::size_t>(compute.pool.size());
  const auto part = [&](std::size_t thread, std::size_t of) {
    std::size_t unit = 0;
    for (const AttentionRows& sequence : sequences) {
      for (std::size_t i = 0; i < sequence.row_count; ++i) {
        for (std::size_t kv = 0; kv < shape.kv_heads; ++kv, ++unit) {
          if (unit % of == thread) row(sequence, i, kv);
        }
      }
    }
  };
  if (threads == 1 || Small(rows * longest * shape.heads * D * 2)) {
    part(0, 1);
  } else {
    compute.pool.Run([&](int thread) { part(static_cast<std::size_t>(thread), threads); });
  }
}

namespace {

// Where one sequence's gradients of keys and values gather: [padded positions][D] a head.
struct KeyGradients {
  std::size_t padded = 0;  // positions rounded up to whole pages
  std::size_t offset = 0;  // floats into the buffer
};

// Adds a sequence's own keys' gradients to its rows and its prefix's to the shared buffers.
void Scatter(const AttentionShape& shape, const AttentionGradientRows& sequence,
             const KeyGradients& place, const float* buffer, std::size_t kv, bool own,
             MatrixView<float> dkeys, MatrixView<float> dvalues) {
  const std::size_t D = shape.head_dim;
  const float* keys = buffer + place.offset + 2 * kv * place.padded * D;
  const float* values = keys + place.padded * D;
  const AttentionRows& rows = sequence.rows;
  if (own) {
    for (std::size_t i = 0; i < rows.row_count; ++i) {
      const std::size_t position = rows.position_begin + i;
      std::memcpy(dkeys.row(rows.row_begin + i) + kv * D, keys + position * D, D * sizeof(float));
      std::memcpy(dvalues.row(rows.row_begin + i) + kv * D, values + position * D,
                  D * sizeof(float));
    }
    return;
  }
  for (std::size_t position = 0; position < sequence.dprefix_keys.rows(); ++position) {
    float* to_keys = sequence.dprefix_keys.row(position) + kv * D;
    float* to_values = sequence.dprefix_values.row(position) + kv * D;
    for (std::size_t d = 0; d < D; ++d) {
      to_keys[d] += keys[position * D + d];
      to_values[d] += values[position * D + d];
    }
  }
}

}  // namespace

void AttentionBackward(const Compute& compute, const AttentionShape& shape,
                       std::span<const AttentionGradientRows> sequences,
                       MatrixView<const float> queries, MatrixView<const float> out,
                       MatrixView<const float> softmax, MatrixView<const float> dout,
                       MatrixView<float> dqueries, MatrixView<float> dkeys,
                       MatrixView<float> dvalues) {
  const std::size_t group = shape.heads / shape.kv_heads, D = shape.head_dim;
  std::vector<KeyGradients> places(sequences.size());
  std::size_t floats = 0, work = 0;
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    const AttentionRows& rows = sequences[s].rows;
    PAWL_CHECK(sequences[s].dprefix_keys.rows() == rows.position_begin ||
               sequences[s].dprefix_keys.rows() == 0);
    const std::size_t end = rows.position_begin + rows.row_count;
    places[s] = {(end + kPagePositions - 1) / kPagePositions * kPagePositions, floats};
    floats += 2 * shape.kv_heads * places[s].padded * D;
    work += rows.row_count * end * shape.heads * D * 5;
  }
  AlignedBuffer<float> buffer(floats);
  const bool here = Small(work);
  const std::size_t kv_heads = shape.kv_heads;
  Deal(compute, sequences.size() * kv_heads, here, [&](std::size_t unit) {
    const std::size_t s = unit / kv_heads, kv = unit % kv_heads;
    const AttentionRows& rows = sequences[s].rows;
    if (rows.row_count == 0) return;
    float* keys = buffer.data() + places[s].offset + 2 * kv * places[s].padded * D;
    const std::size_t column = kv * group * D;
    for (std::size_t i = 0; i < rows.row_count; ++i) {
      std::fill_n(dqueries.row(rows.row_begin + i) + column, group * D, 0.0f);
    }
    AlignedBuffer<float> scratch(2 * kPagePositions * D);
    compute.kernels.attention_backward({rows.row_count,
                                        rows.position_begin,
                                        group,
                                        D,
                                        queries.row(rows.row_begin) + column,
                                        out.row(rows.row_begin) + column,
                                        dout.row(rows.row_begin) + column,
                                        softmax.row(rows.row_begin) + kv * group,
                                        softmax.row(rows.row_begin) + shape.heads + kv * group,
                                        queries.stride(),
                                        out.stride(),
                                        dout.stride(),
                                        dqueries.stride(),
                                        softmax.stride(),
                                        rows.pages.data(),
                                        KeyOffset(shape, kv),
                                        ValueOffset(shape, kv),
                                        Scale(shape),
                                        dqueries.row(rows.row_begin) + column,
                                        keys,
                                        keys + places[s].padded * D,
                                        scratch.data()});
  });
  // Own keys in any order; prefixes in the order of sequences, a head at a time.
  Deal(compute, kv_heads, here, [&](std::size_t kv) {
    for (std::size_t s = 0; s < sequences.size(); ++s) {
      Scatter(shape, sequences[s], places[s], buffer.data(), kv, true, dkeys, dvalues);
      Scatter(shape, sequences[s], places[s], buffer.data(), kv, false, dkeys, dvalues);
    }
  });
}

}  // namespace pawl
