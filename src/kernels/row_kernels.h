// The row-wise kernels over sixteen Lanes (kernels/lanes_*.h, included before this file).  Each
// instruction set's file includes it once and gets the same operations in the same order.
// Private to kernels/.  Everything has internal linkage: see kernels/kernel_table.h.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/vector_math.h"

namespace pawl {
namespace {

using F = Lanes::F;
using I = Lanes::I;
using Size = decltype(sizeof(0));

// Everything a kernel calls goes into its body: GCC else passes sixteen lanes of AVX2, a structure
// of two registers, through memory (four times slower exponentials).
#define PAWL_KERNEL __attribute__((flatten))

constexpr float kInfinity = __builtin_inff();
constexpr float kLowest = -0x1.fffffep127f;

// body(i, n): the lanes [i, i + n) of a row, n = 16 but for the last.
template <class Body>
inline void ForLanes(Size count, const Body& body) {
  Size i = 0;
  for (; i + 16 <= count; i += 16) body(i, Size{16});
  if (i < count) body(i, count - i);
}
inline F LoadUpTo(const float* p, Size n) { return n == 16 ? Lanes::Load(p) : Lanes::LoadN(p, n); }
inline void StoreUpTo(float* p, const F& x, Size n) {
  n == 16 ? Lanes::Store(p, x) : Lanes::StoreN(p, x, n);
}

PAWL_KERNEL void AddKernel(const float* x, float* y, Size count) {
  ForLanes(count, [&](Size i, Size n) {
    StoreUpTo(y + i, Lanes::Add(LoadUpTo(y + i, n), LoadUpTo(x + i, n)), n);
  });
}

PAWL_KERNEL void AddScaledKernel(float scale, const float* x, float* y, Size count) {
  const F s = Lanes::Set(scale);
  ForLanes(count, [&](Size i, Size n) {
    StoreUpTo(y + i, Lanes::Fma(s, LoadUpTo(x + i, n), LoadUpTo(y + i, n)), n);
  });
}

PAWL_KERNEL void ScaleKernel(float scale, float* x, Size count) {
  const F s = Lanes::Set(scale);
  ForLanes(count, [&](Size i, Size n) { StoreUpTo(x + i, Lanes::Mul(s, LoadUpTo(x + i, n)), n); });
}

PAWL_KERNEL void DivideKernel(float divisor, float* x, Size count) {
  const F d = Lanes::Set(divisor);
  ForLanes(count, [&](Size i, Size n) { StoreUpTo(x + i, Lanes::Div(LoadUpTo(x + i, n), d), n); });
}

PAWL_KERNEL float DotKernel(const float* x, const float* y, Size count) {
  F sum = Lanes::Set(0.0f);
  ForLanes(count,
           [&](Size i, Size n) { sum = Lanes::Fma(LoadUpTo(x + i, n), LoadUpTo(y + i, n), sum); });
  return Lanes::Sum(sum);
}

PAWL_KERNEL void RmsNormKernel(const float* x, const float* weight, float* y, Size count,
                               float rstd) {
  const F r = Lanes::Set(rstd);
  ForLanes(count, [&](Size i, Size n) {
    const F normed = Lanes::Mul(LoadUpTo(x + i, n), r);
    StoreUpTo(y + i, Lanes::Mul(normed, LoadUpTo(weight + i, n)), n);
  });
}

PAWL_KERNEL void RmsNormBackwardKernel(const float* dy, const float* x, const float* weight,
                                       float* dx, Size count, float rstd, bool from_zero) {
  F sum = Lanes::Set(0.0f);
  ForLanes(count, [&](Size i, Size n) {
    const F g = Lanes::Mul(LoadUpTo(dy + i, n), LoadUpTo(weight + i, n));
    sum = Lanes::Fma(g, LoadUpTo(x + i, n), sum);
  });
  const float coefficient = Lanes::Sum(sum) * rstd * rstd * rstd / static_cast<float>(count);
  const F r = Lanes::Set(rstd), c = Lanes::Set(coefficient);
  ForLanes(count, [&](Size i, Size n) {
    const F g = Lanes::Mul(LoadUpTo(dy + i, n), LoadUpTo(weight + i, n));
    const F d = Lanes::Fnma(LoadUpTo(x + i, n), c, Lanes::Mul(r, g));
    StoreUpTo(dx + i, from_zero ? d : Lanes::Add(LoadUpTo(dx + i, n), d), n);
  });
}

PAWL_KERNEL void RmsNormWeightKernel(const float* dy, const float* x, float* dweight, Size count,
                                     float rstd) {
  const F r = Lanes::Set(rstd);
  ForLanes(count, [&](Size i, Size n) {
    const F normed = Lanes::Mul(LoadUpTo(x + i, n), r);
    const F sum = Lanes::Fma(LoadUpTo(dy + i, n), normed, LoadUpTo(dweight + i, n));
    StoreUpTo(dweight + i, sum, n);
  });
}

PAWL_KERNEL void RopeKernel(float* x, const float* cos, const float* sin, Size half, float sign) {
  const F turn = Lanes::Set(sign);
  ForLanes(half, [&](Size i, Size n) {
    const F a = LoadUpTo(x + i, n), b = LoadUpTo(x + half + i, n);
    const F c = LoadUpTo(cos + i, n), s = Lanes::Mul(turn, LoadUpTo(sin + i, n));
    StoreUpTo(x + i, Lanes::Fnma(b, s, Lanes::Mul(a, c)), n);
    StoreUpTo(x + half + i, Lanes::Fma(a, s, Lanes::Mul(b, c)), n);
  });
}

PAWL_KERNEL void SwigluKernel(const float* gate, const float* up, float* y, Size count) {
  ForLanes(count, [&](Size i, Size n) {
    const F g = LoadUpTo(gate + i, n);
    const F silu = Lanes::Mul(g, VectorSigmoid<Lanes>(g));
    StoreUpTo(y + i, Lanes::Mul(silu, LoadUpTo(up + i, n)), n);
  });
}

PAWL_KERNEL void SwigluBackwardKernel(const float* gate, const float* up, const float* dy,
                                      float* dgate, float* dup, Size count) {
  const F one = Lanes::Set(1.0f);
  ForLanes(count, [&](Size i, Size n) {
    const F g = LoadUpTo(gate + i, n), u = LoadUpTo(up + i, n), d = LoadUpTo(dy + i, n);
    const F sigmoid = VectorSigmoid<Lanes>(g);
    // silu'(z) = sigmoid(z) (1 + z (1 - sigmoid(z)))
    const F slope = Lanes::Mul(sigmoid, Lanes::Fma(g, Lanes::Sub(one, sigmoid), one));
    StoreUpTo(dup + i, Lanes::Mul(d, Lanes::Mul(g, sigmoid)), n);
    StoreUpTo(dgate + i, Lanes::Mul(Lanes::Mul(d, u), slope), n);
  });
}

// exp(score * scale - max) for one row of a page in place; lanes from `count` on become 0.
PAWL_KERNEL void AttentionPageKernel(const AttentionPage& page) {
  const F scale = Lanes::Set(page.scale), masked = Lanes::Set(-kInfinity);
  const F zero = Lanes::Set(0.0f);
  for (Size r = 0; r < page.rows; ++r) {
    float* scores = page.scores + r * 64;
    const Size count = page.counts[r];
    F s[4];
    F top = masked;
    for (Size i = 0; i < 4; ++i) {
      s[i] = Lanes::Mul(Lanes::Load(scores + 16 * i), scale);
      if (count < 16 * i + 16) {
        s[i] = Lanes::Select(Lanes::FirstN(count > 16 * i ? count - 16 * i : 0), s[i], masked);
      }
      top = Lanes::Max(top, s[i]);
    }
    const float old = page.max[r], page_max = Lanes::MaxAll(top);
    const float max = old > page_max ? old : page_max;
    F sum = zero;
    for (Size i = 0; i < 4; ++i) {
      F p = VectorExp<Lanes>(Lanes::Sub(s[i], Lanes::Set(max)));
      if (count < 16 * i + 16) {
        p = Lanes::Select(Lanes::FirstN(count > 16 * i ? count - 16 * i : 0), p, zero);
      }
      Lanes::Store(scores + 16 * i, p);
      sum = Lanes::Add(sum, p);
    }
    const float correction =
        max == old ? 1.0f : Lanes::First(VectorExp<Lanes>(Lanes::Set(old - max)));
    page.max[r] = max;
    page.correction[r] = correction;
    page.sum[r] = page.sum[r] * correction + Lanes::Sum(sum);
  }
}

PAWL_KERNEL void AttentionPageGradientKernel(const AttentionPageGradient& page) {
  const F scale = Lanes::Set(page.scale), zero = Lanes::Set(0.0f);
  for (Size r = 0; r < page.rows; ++r) {
    float* scores = page.scores + r * 64;
    float* dweights = page.dweights + r * 64;
    const Size count = page.counts[r];
    const F max = Lanes::Set(page.max[r]), sum = Lanes::Set(page.sum[r]);
    const F delta = Lanes::Set(page.delta[r]);
    for (Size i = 0; i < 64; i += 16) {
      const F s = Lanes::Mul(Lanes::Load(scores + i), scale);
      F p = Lanes::Div(VectorExp<Lanes>(Lanes::Sub(s, max)), sum);
      F d = Lanes::Mul(p, Lanes::Sub(Lanes::Load(dweights + i), delta));
      d = Lanes::Mul(d, scale);
      if (count < i + 16) {
        const auto kept = Lanes::FirstN(count > i ? count - i : 0);
        p = Lanes::Select(kept, p, zero);
        d = Lanes::Select(kept, d, zero);
      }
      Lanes::Store(scores + i, p);
      Lanes::Store(dweights + i, d);
    }
  }
}

// The best lane; ties go to the lowest index.
inline Best BestLane(const F& score, const I& index) {
  float scores[16];
  std::uint32_t indices[16];
  Lanes::Store(scores, score);
  Lanes::StoreI(indices, index);
  Best best{-kInfinity, -1};
  for (Size i = 0; i < 16; ++i) {
    const auto at = static_cast<std::int32_t>(indices[i]);
    if (at < 0) continue;
    if (scores[i] > best.score || best.index < 0 || (scores[i] == best.score && at < best.index)) {
      best.score = scores[i];
      best.index = at;
    }
  }
  return best;
}

PAWL_KERNEL Best LargestKernel(const float* logits, Size count, float inverse_temperature) {
  const F t = Lanes::Set(inverse_temperature);
  F top = Lanes::Set(-kInfinity);
  I where = Lanes::SetI(0xffffffffu);
  ForLanes(count, [&](Size i, Size n) {
    const F z = Lanes::Mul(LoadUpTo(logits + i, n), t);
    auto better = Lanes::Gt(z, top);
    if (n < 16) better = Lanes::And(better, Lanes::FirstN(n));
    top = Lanes::Select(better, z, top);
    where = Lanes::SelectI(
        better, Lanes::AddI(Lanes::Iota(), Lanes::SetI(static_cast<std::uint32_t>(i))), where);
  });
  return BestLane(top, where);
}

PAWL_KERNEL ChunkSums ChunkSumsKernel(const float* logits, Size count, float inverse_temperature,
                                      float max) {
  const F t = Lanes::Set(inverse_temperature), m = Lanes::Set(max), lowest = Lanes::Set(kLowest);
  F sum = Lanes::Set(0.0f), weighted = Lanes::Set(0.0f);
  ForLanes(count, [&](Size i, Size n) {
    const F d = Lanes::Sub(Lanes::Mul(LoadUpTo(logits + i, n), t), m);
    F e = VectorExp<Lanes>(d);
    if (n < 16) e = Lanes::Select(Lanes::FirstN(n), e, Lanes::Set(0.0f));
    sum = Lanes::Add(sum, e);
    // Max: 0 * -inf is no number
    weighted = Lanes::Fma(e, Lanes::Max(d, lowest), weighted);
  });
  return {Lanes::Sum(sum), Lanes::Sum(weighted)};
}

PAWL_KERNEL void LogitGradientKernel(float* logits, Size count, const LogitGradient& g) {
  const F t = Lanes::Set(g.inverse_temperature), max = Lanes::Set(g.max), sum = Lanes::Set(g.sum);
  const F c = Lanes::Set(-g.dlogp), e = Lanes::Set(g.dentropy);
  const F log_sum = Lanes::Set(g.log_sum), h = Lanes::Set(g.entropy), lowest = Lanes::Set(kLowest);
  ForLanes(count, [&](Size i, Size n) {
    const F shifted = Lanes::Sub(Lanes::Mul(LoadUpTo(logits + i, n), t), max);
    const F p = Lanes::Div(VectorExp<Lanes>(shifted), sum);
    F d = Lanes::Mul(c, p);
    if (g.dentropy != 0) {
      const F logp = Lanes::Sub(Lanes::Max(shifted, lowest), log_sum);
      d = Lanes::Fnma(e, Lanes::Mul(p, Lanes::Add(logp, h)), d);
    }
    StoreUpTo(logits + i, Lanes::Mul(d, t), n);
  });
}

// Ten rounds of Philox 4x32 (base/philox.h) on sixteen counters.
inline void PhiloxLanes(I w[4], std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    I high0, low0, high1, low1;
    Lanes::MulWide(w[0], 0xD2511F53u, high0, low0);
    Lanes::MulWide(w[2], 0xCD9E8D57u, high1, low1);
    w[0] = Lanes::XorI(Lanes::XorI(high1, w[1]), Lanes::SetI(key0));
    w[1] = low1;
    w[2] = Lanes::XorI(Lanes::XorI(high0, w[3]), Lanes::SetI(key1));
    w[3] = low0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
}

PAWL_KERNEL void GumbelKernel(const float* logits, Size first, Size count,
                              float inverse_temperature, const std::uint32_t stream[4],
                              Best& best) {
  // Gumbel noise is at most -log(2^-33) = 22.9; a block of 64 that cannot win draws nothing.
  const F largest_noise = Lanes::Set(23.0f), t = Lanes::Set(inverse_temperature);
  const F masked = Lanes::Set(-kInfinity), zero = Lanes::Set(0.0f);
  for (Size begin = 0; begin < count; begin += 64) {
    const Size size = count - begin < 64 ? count - begin : 64;
    F z[4];
    for (Size i = 0; i < 4; ++i) {
      const Size n = size > 16 * i ? (size - 16 * i < 16 ? size - 16 * i : 16) : 0;
      z[i] = masked;
      if (n > 0) z[i] = Lanes::Mul(LoadUpTo(logits + begin + 16 * i, n), t);
      if (n < 16) z[i] = Lanes::Select(Lanes::FirstN(n), z[i], masked);
    }
    const F top = Lanes::Max(Lanes::Max(z[0], z[1]), Lanes::Max(z[2], z[3]));
    if (!Lanes::Any(Lanes::Gt(Lanes::Add(top, largest_noise), Lanes::Set(best.score)))) continue;
    const auto block = static_cast<std::uint32_t>((first + begin) / 64);
    I w[4] = {Lanes::AddI(Lanes::Iota(), Lanes::SetI(block * 16)), Lanes::SetI(stream[2]),
              Lanes::SetI(stream[3]), Lanes::SetI(0)};
    PhiloxLanes(w, stream[0], stream[1]);
    F score = masked;
    I where = Lanes::SetI(0xffffffffu);
    for (Size i = 0; i < 4; ++i) {
      const F u = Lanes::Fma(Lanes::ToFloat(w[i]), Lanes::Set(0x1p-32f), Lanes::Set(0x1p-33f));
      const F e = Lanes::Sub(zero, VectorLog1pNeg<Lanes>(u));
      const F s = Lanes::Sub(z[i], VectorLog<Lanes>(e));
      const auto better = Lanes::Gt(s, score);
      score = Lanes::Select(better, s, score);
      const auto at = static_cast<std::uint32_t>(first + begin + 16 * i);
      where = Lanes::SelectI(better, Lanes::AddI(Lanes::Iota(), Lanes::SetI(at)), where);
    }
    if (Lanes::Any(Lanes::Gt(score, Lanes::Set(best.score)))) best = BestLane(score, where);
  }
}

PAWL_KERNEL void ExpKernel(const float* x, float* y, Size count) {
  ForLanes(count,
           [&](Size i, Size n) { StoreUpTo(y + i, VectorExp<Lanes>(LoadUpTo(x + i, n)), n); });
}

PAWL_KERNEL void LogKernel(const float* x, float* y, Size count) {
  ForLanes(count,
           [&](Size i, Size n) { StoreUpTo(y + i, VectorLog<Lanes>(LoadUpTo(x + i, n)), n); });
}

// Sums n floats, n a multiple of 64, in four chains: bound by memory.
PAWL_KERNEL void ReadBurst(const float* data, Size n, float* result) {
  F sums[4] = {Lanes::Set(0.0f), Lanes::Set(0.0f), Lanes::Set(0.0f), Lanes::Set(0.0f)};
  for (Size i = 0; i < n; i += 64) {
    __builtin_prefetch(data + i + 1024);
    for (Size v = 0; v < 4; ++v) sums[v] = Lanes::Add(sums[v], Lanes::Load(data + i + 16 * v));
  }
  *result = Lanes::Sum(Lanes::Add(Lanes::Add(sums[0], sums[1]), Lanes::Add(sums[2], sums[3])));
}

// The table of an instruction set: these, and its own matrix products.
constexpr KernelTable RowKernels() {
  KernelTable table{};
  table.add = AddKernel;
  table.add_scaled = AddScaledKernel;
  table.scale = ScaleKernel;
  table.divide = DivideKernel;
  table.dot = DotKernel;
  table.rms_norm = RmsNormKernel;
  table.rms_norm_backward = RmsNormBackwardKernel;
  table.rms_norm_weight = RmsNormWeightKernel;
  table.rope = RopeKernel;
  table.swiglu = SwigluKernel;
  table.swiglu_backward = SwigluBackwardKernel;
  table.attention_page = AttentionPageKernel;
  table.attention_page_gradient = AttentionPageGradientKernel;
  table.largest = LargestKernel;
  table.chunk_sums = ChunkSumsKernel;
  table.logit_gradient = LogitGradientKernel;
  table.gumbel = GumbelKernel;
  table.exp = ExpKernel;
  table.log = LogKernel;
  table.read_burst = ReadBurst;
  return table;
}

#undef PAWL_KERNEL

}  // namespace
}  // namespace pawl
