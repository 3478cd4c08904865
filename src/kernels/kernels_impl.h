// The kernels, written once over sixteen lanes (V, I of lanes_*.h) and compiled per instruction set
// inside an anonymous namespace.  kTileRows and kTileVectors (vectors of a panel per pass) come
// before it.

#include "kernels/functions_impl.h"

// ---------------------------------------------------------------------------------- linear

template <int kRows, int kVectors, class LoadB>
inline void TileBody(const float* a, LoadB load_b, std::size_t k, bool carry, float* y,
                     std::size_t y_stride) {
  V acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      acc[r][v] = carry ? Load(y + static_cast<std::size_t>(r) * y_stride + 16 * v) : Set(0.0f);
    }
  }
  for (std::size_t i = 0; i < k; ++i) {
    V b[kVectors];
    load_b(i, b);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const V x = Set(a[i * kRows + static_cast<std::size_t>(r)]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = Fma(x, b[v], acc[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      Store(y + static_cast<std::size_t>(r) * y_stride + 16 * v, acc[r][v]);
    }
  }
}

template <int kRows>
void TileF32Rows(const float* a, const float* panel, std::size_t panel_stride, std::size_t k,
                 bool carry, float* y, std::size_t y_stride) {
  for (int first = 0; first < 2; first += kTileVectors) {
    const float* b = panel + 16 * first;
    TileBody<kRows, kTileVectors>(
        a,
        [b, panel_stride](std::size_t i, V* out) {
          Prefetch(b + (i + 16) * panel_stride);
          for (int v = 0; v < kTileVectors; ++v) out[v] = Load(b + i * panel_stride + 16 * v);
        },
        k, carry, y + 16 * first, y_stride);
  }
}

// The low halves of a line are columns 0..15, the high halves columns 16..31.
inline V LowHalf(I words) { return BitsToFloat(ShiftLeft<16>(words)); }
inline V HighHalf(I words) { return BitsToFloat(AndI(words, SetI(0xffff0000u))); }

template <int kRows>
void TileBf16Rows(const float* a, const std::uint32_t* panel, std::size_t k, bool carry, float* y,
                  std::size_t y_stride) {
  if constexpr (kTileVectors == 2) {
    TileBody<kRows, 2>(
        a,
        [panel](std::size_t i, V* out) {
          Prefetch(panel + (i + 32) * 16);
          const I words = LoadI(panel + i * 16);
          out[0] = LowHalf(words);
          out[1] = HighHalf(words);
        },
        k, carry, y, y_stride);
  } else {
    TileBody<kRows, 1>(
        a,
        [panel](std::size_t i, V* out) {
          Prefetch(panel + (i + 32) * 16);
          out[0] = LowHalf(LoadI(panel + i * 16));
        },
        k, carry, y, y_stride);
    TileBody<kRows, 1>(
        a, [panel](std::size_t i, V* out) { out[0] = HighHalf(LoadI(panel + i * 16)); }, k, carry,
        y + 16, y_stride);
  }
}

// Calls f with the compile-time number of rows.
template <class F>
inline void WithRows(std::size_t rows, F f) {
  switch (rows) {
#define PAWL_CASE(n)                                                   \
  case n:                                                              \
    if constexpr (n <= kTileRows) f(std::integral_constant<int, n>{}); \
    break;
    PAWL_CASE(1)
    PAWL_CASE(2)
    PAWL_CASE(3)
    PAWL_CASE(4)
    PAWL_CASE(5) PAWL_CASE(6) PAWL_CASE(7) PAWL_CASE(8) PAWL_CASE(9) PAWL_CASE(10) PAWL_CASE(11)
        PAWL_CASE(12)
#undef PAWL_CASE
            default : break;
  }
}

void TileF32(const float* a, std::size_t rows, const float* panel, std::size_t panel_stride,
             std::size_t k, bool carry, float* y, std::size_t y_stride) {
  WithRows(rows, [&](auto n) {
    TileF32Rows<decltype(n)::value>(a, panel, panel_stride, k, carry, y, y_stride);
  });
}

void TileBf16(const float* a, std::size_t rows, const std::uint32_t* panel, std::size_t k,
              bool carry, float* y, std::size_t y_stride) {
  WithRows(rows,
           [&](auto n) { TileBf16Rows<decltype(n)::value>(a, panel, k, carry, y, y_stride); });
}

// Several panels side by side for one row: 2 * kPanels chains hide the latency of fma.
template <int kPanels, class LoadPanel>
inline void RowBody(const float* a, LoadPanel load, std::size_t k, bool carry, float* y) {
  V acc[kPanels][2];
#pragma GCC unroll 4
  for (int p = 0; p < kPanels; ++p) {
    acc[p][0] = carry ? Load(y + 32 * p) : Set(0.0f);
    acc[p][1] = carry ? Load(y + 32 * p + 16) : Set(0.0f);
  }
  for (std::size_t i = 0; i < k; ++i) {
    const V x = Set(a[i]);
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      V b[2];
      load(static_cast<std::size_t>(p), i, b);
      acc[p][0] = Fma(x, b[0], acc[p][0]);
      acc[p][1] = Fma(x, b[1], acc[p][1]);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < kPanels; ++p) {
    Store(y + 32 * p, acc[p][0]);
    Store(y + 32 * p + 16, acc[p][1]);
  }
}

template <class F>
inline void WithPanels(std::size_t panels, F f) {
  if (panels == 4) return f(std::integral_constant<int, 4>{});
  if (panels == 3) return f(std::integral_constant<int, 3>{});
  if (panels == 2) return f(std::integral_constant<int, 2>{});
  f(std::integral_constant<int, 1>{});
}

void RowF32(const float* a, const float* panel, std::size_t k, std::size_t panels, bool carry,
            float* y) {
  WithPanels(panels, [&](auto n) {
    RowBody<decltype(n)::value>(
        a,
        [panel, k](std::size_t p, std::size_t i, V* b) {
          const float* line = panel + (p * k + i) * 32;
          Prefetch(line + 16 * 32);
          b[0] = Load(line);
          b[1] = Load(line + 16);
        },
        k, carry, y);
  });
}

void RowBf16(const float* a, const std::uint32_t* panel, std::size_t k, std::size_t panels,
             bool carry, float* y) {
  WithPanels(panels, [&](auto n) {
    RowBody<decltype(n)::value>(
        a,
        [panel, k](std::size_t p, std::size_t i, V* b) {
          const std::uint32_t* line = panel + (p * k + i) * 16;
          Prefetch(line + 32 * 16);
          const I words = LoadI(line);
          b[0] = LowHalf(words);
          b[1] = HighHalf(words);
        },
        k, carry, y);
  });
}

void TransposeF32(const float* block, std::size_t k_rows, float* out) {
  for (std::size_t k0 = 0; k0 < 32; k0 += 16) {
    const std::size_t count = k_rows > k0 ? (k_rows - k0 < 16 ? k_rows - k0 : 16) : 0;
    for (std::size_t n0 = 0; n0 < 32; n0 += 16) {
      V rows[16];
      for (std::size_t i = 0; i < 16; ++i) {
        rows[i] = i < count ? Load(block + (k0 + i) * 32 + n0) : Set(0.0f);
      }
      Transpose16(rows);
      for (std::size_t i = 0; i < 16; ++i) Store(out + (n0 + i) * 32 + k0, rows[i]);
    }
  }
}

void TransposeBf16(const std::uint32_t* block, std::size_t k_rows, float* out) {
  for (std::size_t k0 = 0; k0 < 32; k0 += 16) {
    const std::size_t count = k_rows > k0 ? (k_rows - k0 < 16 ? k_rows - k0 : 16) : 0;
    V low[16], high[16];
    for (std::size_t i = 0; i < 16; ++i) {
      const I words = i < count ? LoadI(block + (k0 + i) * 16) : SetI(0);
      low[i] = LowHalf(words);
      high[i] = HighHalf(words);
    }
    Transpose16(low);
    Transpose16(high);
    for (std::size_t i = 0; i < 16; ++i) {
      Store(out + i * 32 + k0, low[i]);
      Store(out + (16 + i) * 32 + k0, high[i]);
    }
  }
}

// ---------------------------------------------------------------------------------- rows

// Calls f(offset, lanes) for each group of 16 elements; lanes < 16 only in the last.
template <class F>
inline void EachGroup(std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) f(i, std::integral_constant<bool, true>{}, std::size_t{16});
  if (i < n) f(i, std::integral_constant<bool, false>{}, n - i);
}
template <class Full>
inline V Get(const float* p, Full full, std::size_t lanes) {
  if constexpr (decltype(full)::value) return Load(p);
  return LoadPartial(p, lanes);
}
template <class Full>
inline void Put(float* p, V x, Full full, std::size_t lanes) {
  if constexpr (decltype(full)::value) {
    Store(p, x);
  } else {
    StorePartial(p, x, lanes);
  }
}

float RmsNormRow(const float* x, const float* weight, float eps, std::size_t n, float* y) {
  V sum = Set(0.0f);
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V v = Get(x + i, full, lanes);
    sum = Fma(v, v, sum);
  });
  const float mean = SumTree(sum) / static_cast<float>(n);
  const float rstd = 1.0f / __builtin_sqrtf(mean + eps);
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V scaled = Mul(Get(x + i, full, lanes), Set(rstd));
    Put(y + i, Mul(scaled, Get(weight + i, full, lanes)), full, lanes);
  });
  return rstd;
}

void RmsNormBackwardRow(const float* dy, const float* x, const float* weight, float rstd,
                        std::size_t n, bool add, float* dx) {
  V sum = Set(0.0f);
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V g = Mul(Get(dy + i, full, lanes), Get(weight + i, full, lanes));
    sum = Fma(g, Mul(Get(x + i, full, lanes), Set(rstd)), sum);
  });
  const V mean = Set(SumTree(sum) / static_cast<float>(n));
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V g = Mul(Get(dy + i, full, lanes), Get(weight + i, full, lanes));
    const V normal = Mul(Get(x + i, full, lanes), Set(rstd));
    const V inner = Fma(Sub(Set(0.0f), normal), mean, g);
    const V start = add ? Get(dx + i, full, lanes) : Set(0.0f);
    Put(dx + i, Fma(inner, Set(rstd), start), full, lanes);
  });
}

void NormWeightRow(const float* dy, const float* x, float rstd, std::size_t n, float* dweight) {
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V normal = Mul(Get(x + i, full, lanes), Set(rstd));
    Put(dweight + i, Fma(Get(dy + i, full, lanes), normal, Get(dweight + i, full, lanes)), full,
        lanes);
  });
}

// sign 1: forward; -1: the transposed rotation.
void RopeRow(const float* cos, const float* sin, std::size_t half, float sign, float* x) {
  EachGroup(half, [&](std::size_t i, auto full, std::size_t lanes) {
    const V c = Get(cos + i, full, lanes);
    const V s = Mul(Get(sin + i, full, lanes), Set(sign));
    const V a = Get(x + i, full, lanes);
    const V b = Get(x + half + i, full, lanes);
    Put(x + i, Sub(Mul(a, c), Mul(b, s)), full, lanes);
    Put(x + half + i, Add(Mul(b, c), Mul(a, s)), full, lanes);
  });
}

void SwigluRow(const float* gate, const float* up, std::size_t n, float* y) {
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V g = Get(gate + i, full, lanes);
    Put(y + i, Mul(Mul(g, Sigmoid(g)), Get(up + i, full, lanes)), full, lanes);
  });
}

// d silu(z) = s (1 + z (1 - s)), s = sigmoid(z).
void SwigluBackwardRow(const float* gate, const float* up, const float* dy, std::size_t n,
                       float* dgate, float* dup) {
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V g = Get(gate + i, full, lanes);
    const V u = Get(up + i, full, lanes);
    const V d = Get(dy + i, full, lanes);
    const V s = Sigmoid(g);
    const V slope = Mul(s, Fma(g, Sub(Set(1.0f), s), Set(1.0f)));
    Put(dgate + i, Mul(Mul(d, u), slope), full, lanes);
    Put(dup + i, Mul(d, Mul(g, s)), full, lanes);
  });
}

void AddRow(const float* x, std::size_t n, float* y) {
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    Put(y + i, Add(Get(y + i, full, lanes), Get(x + i, full, lanes)), full, lanes);
  });
}

void AddScaledRow(float scale, const float* x, std::size_t n, float* y) {
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    Put(y + i, Fma(Set(scale), Get(x + i, full, lanes), Get(y + i, full, lanes)), full, lanes);
  });
}

void ScaleRow(float scale, std::size_t n, float* x) {
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    Put(x + i, Mul(Set(scale), Get(x + i, full, lanes)), full, lanes);
  });
}

// ---------------------------------------------------------------------------------- attention

// Scores of 64 keys for kHeads query heads: acc[h] = q_h . k over d ascending, times scale.
template <int kHeads>
inline void PageScores(const float* queries, std::size_t head_dim, const float* keys, float scale,
                       float (*scores)[64]) {
  for (int half = 0; half < 2; ++half) {
    V acc[kHeads][2];
#pragma GCC unroll 4
    for (int h = 0; h < kHeads; ++h) acc[h][0] = acc[h][1] = Set(0.0f);
    for (std::size_t d = 0; d < head_dim; ++d) {
      const V k0 = Load(keys + d * 64 + 32 * half);
      const V k1 = Load(keys + d * 64 + 32 * half + 16);
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) {
        const V q = Set(queries[static_cast<std::size_t>(h) * head_dim + d]);
        acc[h][0] = Fma(q, k0, acc[h][0]);
        acc[h][1] = Fma(q, k1, acc[h][1]);
      }
    }
#pragma GCC unroll 4
    for (int h = 0; h < kHeads; ++h) {
      Store(scores[h] + 32 * half, Mul(acc[h][0], Set(scale)));
      Store(scores[h] + 32 * half + 16, Mul(acc[h][1], Set(scale)));
    }
  }
}

// out[d] += sum over the first `keys` keys, ascending, of weights[j] * values[j][d].
inline void AddValues(const float* weights, std::size_t keys, const float* values,
                      std::size_t head_dim, float* out) {
  std::size_t d = 0;
  for (; d + 64 <= head_dim; d += 64) {
    V a0 = Load(out + d), a1 = Load(out + d + 16), a2 = Load(out + d + 32), a3 = Load(out + d + 48);
    for (std::size_t j = 0; j < keys; ++j) {
      const V w = Set(weights[j]);
      const float* v = values + j * head_dim + d;
      a0 = Fma(w, Load(v), a0);
      a1 = Fma(w, Load(v + 16), a1);
      a2 = Fma(w, Load(v + 32), a2);
      a3 = Fma(w, Load(v + 48), a3);
    }
    Store(out + d, a0);
    Store(out + d + 16, a1);
    Store(out + d + 32, a2);
    Store(out + d + 48, a3);
  }
  EachGroup(head_dim - d, [&](std::size_t i, auto full, std::size_t lanes) {
    V a = Get(out + d + i, full, lanes);
    for (std::size_t j = 0; j < keys; ++j) {
      a = Fma(Set(weights[j]), Get(values + j * head_dim + d + i, full, lanes), a);
    }
    Put(out + d + i, a, full, lanes);
  });
}

template <int kHeads>
void AttentionHeads(const AttentionTask& task, std::size_t first) {
  float scores[kHeads][64];
  float running_max[kHeads], running_sum[kHeads];
  const float* queries = task.queries + first * task.head_dim;
  float* out = task.out + first * task.head_dim;
  for (int h = 0; h < kHeads; ++h) {
    running_max[h] = -__builtin_inff();
    running_sum[h] = 0;
  }
  for (std::size_t i = 0; i < kHeads * task.head_dim; ++i) out[i] = 0;
  const std::size_t last_page = task.position / 64;
  for (std::size_t page = 0; page <= last_page; ++page) {
    const float* keys = task.pages[page] + task.key_offset;
    const float* values = task.pages[page] + task.value_offset;
    const std::size_t count = page < last_page ? 64 : task.position % 64 + 1;
    PageScores<kHeads>(queries, task.head_dim, keys, task.scale, scores);
    for (int h = 0; h < kHeads; ++h) {
      for (std::size_t j = count; j < 64; ++j) scores[h][j] = -__builtin_inff();
      V top = Max(Max(Load(scores[h]), Load(scores[h] + 16)),
                  Max(Load(scores[h] + 32), Load(scores[h] + 48)));
      const float page_max = MaxLane(top);
      const float new_max = page_max > running_max[h] ? page_max : running_max[h];
      V sum = Set(0.0f);
      for (int v = 0; v < 4; ++v) {
        const V e = Exp(Sub(Load(scores[h] + 16 * v), Set(new_max)));
        Store(scores[h] + 16 * v, e);
        sum = Add(sum, e);
      }
      float correction[16];
      Store(correction, Exp(Set(running_max[h] - new_max)));
      running_sum[h] = running_sum[h] * correction[0] + SumTree(sum);
      running_max[h] = new_max;
      float* row = out + static_cast<std::size_t>(h) * task.head_dim;
      ScaleRow(correction[0], task.head_dim, row);
      AddValues(scores[h], count, values, task.head_dim, row);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    float* row = out + static_cast<std::size_t>(h) * task.head_dim;
    const V total = Set(running_sum[h]);
    EachGroup(task.head_dim, [&](std::size_t i, auto full, std::size_t lanes) {
      Put(row + i, Div(Get(row + i, full, lanes), total), full, lanes);
    });
    if (task.softmax_max != nullptr) {
      task.softmax_max[first + static_cast<std::size_t>(h)] = running_max[h];
      task.softmax_sum[first + static_cast<std::size_t>(h)] = running_sum[h];
    }
  }
}

void Attention(const AttentionTask& task) {
  std::size_t head = 0;
  for (; head + 4 <= task.group; head += 4) AttentionHeads<4>(task, head);
  if (task.group - head == 3) AttentionHeads<3>(task, head);
  if (task.group - head == 2) AttentionHeads<2>(task, head);
  if (task.group - head == 1) AttentionHeads<1>(task, head);
}

// A row's gradients of the scores (times the scale) and its probabilities, for up to kBackwardHeads
// heads and one page of keys.
constexpr std::size_t kBackwardHeads = 8;
struct ScoreGradients {
  float scores[kBackwardHeads][64], probabilities[kBackwardHeads][64];
};

// One head's part of it.  values_by_dim: the page's values as [D][64].
void ScoreGradientsOf(const AttentionBackwardTask& t, std::size_t r, std::size_t h,
                      const float* keys, const float* values_by_dim, float* gradient,
                      float* probabilities) {
  const std::size_t D = t.head_dim;
  const float* out = t.out + r * t.out_stride + h * D;
  const float* dout = t.dout + r * t.dout_stride + h * D;
  V delta_lanes = Set(0.0f);
  EachGroup(D, [&](std::size_t i, auto full, std::size_t lanes) {
    delta_lanes = Fma(Get(dout + i, full, lanes), Get(out + i, full, lanes), delta_lanes);
  });
  const V delta = Set(SumTree(delta_lanes));
  float scores[1][64];
  PageScores<1>(t.queries + r * t.query_stride + h * D, D, keys, t.scale, scores);
  const V max = Set(t.softmax_max[r * t.softmax_stride + h]);
  const V sum = Set(t.softmax_sum[r * t.softmax_stride + h]);
  V dp[4] = {Set(0.0f), Set(0.0f), Set(0.0f), Set(0.0f)};
  for (std::size_t d = 0; d < D; ++d) {
    const V g = Set(dout[d]);
    for (int v = 0; v < 4; ++v) dp[v] = Fma(g, Load(values_by_dim + d * 64 + 16 * v), dp[v]);
  }
  for (int v = 0; v < 4; ++v) {
    const V p = Div(Exp(Sub(Load(scores[0] + 16 * v), max)), sum);
    Store(probabilities + 16 * v, p);
    Store(gradient + 16 * v, Mul(Mul(p, Sub(dp[v], delta)), Set(t.scale)));
  }
}

// to[j] += sum over heads, ascending, of weights[h][j] * rows[h]: the heads' sum first, so that a
// key's gradient is loaded and rounded once a row and not once a head.
void AddHeads(const float (*weights)[64], std::size_t heads, std::size_t count, const float* rows,
              std::size_t D, float* to) {
  for (std::size_t j = 0; j < count; ++j) {
    EachGroup(D, [&](std::size_t i, auto full, std::size_t lanes) {
      V sum = Set(0.0f);
      for (std::size_t h = 0; h < heads; ++h) {
        sum = Fma(Set(weights[h][j]), Get(rows + h * D + i, full, lanes), sum);
      }
      Put(to + j * D + i, Add(Get(to + j * D + i, full, lanes), sum), full, lanes);
    });
  }
}

// Page by page, rows ascending inside a page: the page's dK and dV stay in the cache.  Scratch
// holds the page's keys as [64][D] and its values as [D][64].
void AttentionBackwardHead(const AttentionBackwardTask& t) {
  const std::size_t D = t.head_dim;
  float* keys_by_row = t.scratch;
  float* values_by_dim = t.scratch + 64 * D;
  const std::size_t end = t.position_begin + t.rows;
  ScoreGradients g;
  for (std::size_t page = 0; page * 64 < end; ++page) {
    const float* keys = t.pages[page] + t.key_offset;
    const float* values = t.pages[page] + t.value_offset;
    for (std::size_t d = 0; d < D; ++d) {
      for (std::size_t j = 0; j < 64; ++j) {
        keys_by_row[j * D + d] = keys[d * 64 + j];
        values_by_dim[d * 64 + j] = values[j * D + d];
      }
    }
    const std::size_t first_key = page * 64;
    const std::size_t first_row = first_key > t.position_begin ? first_key - t.position_begin : 0;
    for (std::size_t r = first_row; r < t.rows; ++r) {
      const std::size_t position = t.position_begin + r;
      const std::size_t count = position - first_key >= 63 ? 64 : position - first_key + 1;
      for (std::size_t h0 = 0; h0 < t.group; h0 += kBackwardHeads) {
        const std::size_t heads = t.group - h0 < kBackwardHeads ? t.group - h0 : kBackwardHeads;
        for (std::size_t h = 0; h < heads; ++h) {
          ScoreGradientsOf(t, r, h0 + h, keys, values_by_dim, g.scores[h], g.probabilities[h]);
          AddValues(g.scores[h], count, keys_by_row, D,
                    t.dqueries + r * t.dquery_stride + (h0 + h) * D);
        }
        AddHeads(g.scores, heads, count, t.queries + r * t.query_stride + h0 * D, D,
                 t.dkeys + first_key * D);
        AddHeads(g.probabilities, heads, count, t.dout + r * t.dout_stride + h0 * D, D,
                 t.dvalues + first_key * D);
      }
    }
  }
}

// ---------------------------------------------------------------------------------- vocabulary

float MaxRow(const float* x, std::size_t n, std::size_t* index) {
  V top = Set(-__builtin_inff());
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    if constexpr (decltype(full)::value) {
      top = Max(Load(x + i), top);
    } else {
      for (std::size_t j = 0; j < lanes; ++j) top = Max(Set(x[i + j]), top);
    }
  });
  const float best = MaxLane(top);
  std::size_t at = 0;
  while (at < n && !(x[at] == best)) ++at;
  *index = at < n ? at : 0;
  return best;
}

ChunkSums ChunkSumsOf(const float* logits, std::size_t n, float inverse_temperature, float max) {
  V sum = Set(0.0f), moment = Set(0.0f);
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V shifted = Sub(Mul(Get(logits + i, full, lanes), Set(inverse_temperature)), Set(max));
    V e = Exp(shifted);
    if constexpr (!decltype(full)::value) {
      float keep[16];
      Store(keep, e);
      e = LoadPartial(keep, lanes);
    }
    sum = Add(sum, e);
    moment = Fma(e, Max(shifted, Set(-100.0f)), moment);  // e is 0 there; keeps 0 * -inf out
  });
  return {SumTree(sum), SumTree(moment)};
}

void LogProbBackwardRow(float* logits, std::size_t n, float inverse_temperature,
                        const RowStatistics& row, float dlogp, float dentropy) {
  EachGroup(n, [&](std::size_t i, auto full, std::size_t lanes) {
    const V z = Mul(Get(logits + i, full, lanes), Set(inverse_temperature));
    const V shifted = Sub(z, Set(row.max));
    const V p = Div(Exp(shifted), Set(row.sum));
    V g = Mul(Set(-dlogp), p);
    if (dentropy != 0.0f) {
      const V log_p = Sub(Max(shifted, Set(-100.0f)), Set(row.log_sum));
      const V surprise = Add(log_p, Set(row.entropy));
      g = Fma(Mul(Set(-dentropy), p), surprise, g);
    }
    Put(logits + i, Mul(g, Set(inverse_temperature)), full, lanes);
  });
}

// Philox 4x32-10 on sixteen consecutive counters: words[w] lane i is word w of block first + i.
inline void Philox16(std::uint32_t first, const SampleAddress& address, I words[4]) {
  static const std::uint32_t kIota[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const std::uint32_t purpose = static_cast<std::uint32_t>(RandomPurpose::kSampling);
  std::uint32_t k0 = static_cast<std::uint32_t>(address.seed);
  std::uint32_t k1 = static_cast<std::uint32_t>(address.seed >> 32) ^ (purpose * 0x9E3779B1u);
  I c0 = AddI(LoadI(kIota), SetI(first));
  // Blocks of the vocabulary count in the low 16 bits of word 0, positions above: see GumbelArgmax.
  c0 = OrI(c0, SetI(address.position << 16));
  I c1 = SetI(address.sample ^ (address.position >> 16 << 24));
  I c2 = SetI(static_cast<std::uint32_t>(address.item));
  I c3 = SetI(static_cast<std::uint32_t>(address.item >> 32));
  for (int round = 0; round < 10; ++round) {
    I h0, l0, h1, l1;
    MulWide(c0, 0xD2511F53u, h0, l0);
    MulWide(c2, 0xCD9E8D57u, h1, l1);
    const I n0 = XorI(XorI(h1, c1), SetI(k0));
    const I n2 = XorI(XorI(h0, c3), SetI(k1));
    c0 = n0;
    c1 = l1;
    c2 = n2;
    c3 = l0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

// x uniform in uint32 -> (x + 0.5) / 2^32 as float32, rounded once from the 33-bit value.
inline V UnitFloat(I x) {
  const V high = IntToFloat(ShiftRight<16>(x));
  const V low = IntToFloat(AndI(x, SetI(0xffffu)));
  return Mul(Fma(high, Set(65536.0f), Add(low, Set(0.5f))), Set(0x1p-32f));
}

// 64 tokens at a time: token v is lane (v / 4) % 16 of word v % 4 -> scores are formed word by word
// over logits gathered with stride 4.
void GumbelArgmaxRange(const float* logits, std::size_t begin, std::size_t end,
                       float inverse_temperature, const SampleAddress& address, float* best,
                       std::size_t* index) {
  float top = -__builtin_inff();
  std::size_t at = begin;
  for (std::size_t v0 = begin; v0 < end; v0 += 64) {
    const std::size_t count = end - v0 < 64 ? end - v0 : 64;
    I words[4];
    Philox16(static_cast<std::uint32_t>(v0 / 4), address, words);
    float block[64];
    V block_top = Set(-__builtin_inff());
    for (int w = 0; w < 4; ++w) {
      const V gumbel = Sub(Set(0.0f), Log(NegLog1pNeg(UnitFloat(words[w]))));
      float noise[16];
      Store(noise, gumbel);
      for (std::size_t i = 0; i < 16; ++i) block[4 * i + static_cast<std::size_t>(w)] = noise[i];
    }
    for (std::size_t g = 0; g < 64; g += 16) {
      if (g + 16 <= count) {
        const V score = Add(Mul(Load(logits + v0 + g), Set(inverse_temperature)), Load(block + g));
        Store(block + g, score);
        block_top = Max(score, block_top);
      } else {
        for (std::size_t i = g; i < g + 16; ++i) {
          block[i] =
              i < count ? logits[v0 + i] * inverse_temperature + block[i] : -__builtin_inff();
        }
        block_top = Max(Load(block + g), block_top);
      }
    }
    if (MaxLane(block_top) > top) {
      for (std::size_t i = 0; i < count; ++i) {
        if (block[i] > top) {
          top = block[i];
          at = v0 + i;
        }
      }
    }
  }
  *best = top;
  *index = at;
}

// ---------------------------------------------------------------------------------- peaks

// iterations x kPeakChains x 16 multiply-adds in registers.
void FmaBurst(std::size_t iterations, float* result) {
  V acc[kPeakChains];
  for (int i = 0; i < kPeakChains; ++i) acc[i] = Set(static_cast<float>(i));
  const V x = Set(0.999999f), y = Set(1e-6f);
  for (std::size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < kPeakChains; ++i) acc[i] = Fma(acc[i], x, y);
  }
  V sum = acc[0];
  for (int i = 1; i < kPeakChains; ++i) sum = Add(sum, acc[i]);
  *result = SumTree(sum);
}

// Reads n floats, n a multiple of 64.
void ReadBurst(const float* data, std::size_t n, float* result) {
  V acc[4] = {Set(0.0f), Set(0.0f), Set(0.0f), Set(0.0f)};
  for (std::size_t i = 0; i < n; i += 64) {
    Prefetch(data + i + 1024);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v)
      acc[v] = Add(acc[v], Load(data + i + 16 * static_cast<std::size_t>(v)));
  }
  *result = SumTree(Add(Add(acc[0], acc[1]), Add(acc[2], acc[3])));
}

constexpr KernelTable MakeTable() {
  KernelTable t{};
  t.tile_rows = kTileRows;
  t.tile_f32 = TileF32;
  t.tile_bf16 = TileBf16;
  t.row_f32 = RowF32;
  t.row_bf16 = RowBf16;
  t.transpose_f32 = TransposeF32;
  t.transpose_bf16 = TransposeBf16;
  t.rms_norm_row = RmsNormRow;
  t.rms_norm_backward_row = RmsNormBackwardRow;
  t.norm_weight_row = NormWeightRow;
  t.rope_row = RopeRow;
  t.swiglu_row = SwigluRow;
  t.swiglu_backward_row = SwigluBackwardRow;
  t.add_row = AddRow;
  t.add_scaled_row = AddScaledRow;
  t.scale_row = ScaleRow;
  t.attention = Attention;
  t.attention_backward = AttentionBackwardHead;
  t.max_row = MaxRow;
  t.chunk_sums = ChunkSumsOf;
  t.log_prob_backward = LogProbBackwardRow;
  t.gumbel_argmax = GumbelArgmaxRange;
  t.peak_chains = kPeakChains;
  t.fma_burst = FmaBurst;
  t.read_burst = ReadBurst;
  return t;
}
