// Matrix products on packed panels for the x86 kernels.  Before this file come
//   struct Register: F, kLanes, Zero, Load, LoadN, Store, StoreN, Broadcast, Fma, Low, High
//   kTileRows: rows of a full register tile of kTileRows x 2 registers
// A tile computes one or more groups of 2 registers: with 16 lanes a group is a panel of 32
// columns, with 8 lanes it is half of one.  GCC 12 keeps the accumulators in registers only when
// every loop over them is unrolled; the benchmark's GFLOP/s say whether it did.
// Private to kernels/.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/row_kernels.h"

namespace pawl {
namespace {

constexpr int kLanes = Register::kLanes;
constexpr int kGroups = 16 / kLanes;  // groups of two registers in a panel
// Steps that weights are fetched ahead of their use.
constexpr Size kAheadF32 = 12, kAheadBf16 = 32;

// How the two registers of group g lie in a panel of float32: neighbours.
struct WeightsF32 {
  using Element = float;
  static constexpr Size kAhead = kAheadF32;
  static constexpr bool kMasked = true;  // columns beyond the last may lie outside the matrix
  static constexpr Size Offset(int group) { return static_cast<Size>(2 * kLanes * group); }
  static constexpr Size Column(int group, int v) {
    return static_cast<Size>(kLanes * (2 * group + v));
  }
  static void Get(const float* w, Register::F out[2]) {
    out[0] = Register::Load(w);
    out[1] = Register::Load(w + kLanes);
  }
};
// And of bf16 words: the low and the high halves.
struct WeightsBf16 {
  using Element = std::uint32_t;
  static constexpr Size kAhead = kAheadBf16;
  static constexpr bool kMasked = false;  // packed panels are full, with zeros
  static constexpr Size Offset(int group) { return static_cast<Size>(kLanes * group); }
  static constexpr Size Column(int group, int v) {
    return static_cast<Size>(kLanes * group + 16 * v);
  }
  static void Get(const std::uint32_t* w, Register::F out[2]) {
    out[0] = Register::Low(w);
    out[1] = Register::High(w);
  }
};

// What a tile needs beyond its sizes; w and c point at its first group and row.
template <class W>
struct Tile {
  const float* a;
  Size a_row, a_step;
  const typename W::Element* w;
  Size w_step, w_panel;
  float* c;
  Size c_row, steps;
  bool from_zero;
};

// kRows rows of one group, all columns present.
template <class W, int kRows>
void FullTile(const Tile<W>& t, int group) {
  constexpr int kThirds = (kRows + 2) / 3;
  Register::F acc[kRows][2];
  float* c = t.c + W::Column(group, 0);
  const Size high = W::Column(group, 1) - W::Column(group, 0);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    const float* row = c + static_cast<Size>(r) * t.c_row;
    acc[r][0] = t.from_zero ? Register::Zero() : Register::Load(row);
    acc[r][1] = t.from_zero ? Register::Zero() : Register::Load(row + high);
  }
  // Three rows share a pointer: rows base, base + row, base + 2 row are one addressing mode each.
  const float* a[kThirds];
#pragma GCC unroll 4
  for (int i = 0; i < kThirds; ++i) a[i] = t.a + static_cast<Size>(3 * i) * t.a_row;
  const typename W::Element* w = t.w + W::Offset(group);
  for (Size s = t.steps; s > 0; --s) {
    Register::F b[2];
    __builtin_prefetch(w + W::kAhead * t.w_step);
    if (W::kMasked && kLanes == 16) __builtin_prefetch(w + W::kAhead * t.w_step + 16);
    W::Get(w, b);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const Register::F x = Register::Broadcast(a[r / 3] + static_cast<Size>(r % 3) * t.a_row);
      acc[r][0] = Register::Fma(x, b[0], acc[r][0]);
      acc[r][1] = Register::Fma(x, b[1], acc[r][1]);
    }
    w += t.w_step;
#pragma GCC unroll 4
    for (int i = 0; i < kThirds; ++i) a[i] += t.a_step;
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    float* row = c + static_cast<Size>(r) * t.c_row;
    Register::Store(row, acc[r][0]);
    Register::Store(row + high, acc[r][1]);
  }
}

// kRows rows of one register of n columns.  Rows from `height` on repeat the last one, so that the
// chains need no branch, and are not stored.
template <class W, int kRows>
void EdgeRows(const Tile<W>& t, Size first_row, Size height, int group, int v, Size n) {
  const Size column = W::Column(group, v);
  Register::F acc[kRows];
  const float* a[kRows];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    const Size row = static_cast<Size>(i) < height ? static_cast<Size>(i) : height - 1;
    a[i] = t.a + (first_row + row) * t.a_row;
    acc[i] = t.from_zero ? Register::Zero()
                         : Register::LoadN(t.c + (first_row + row) * t.c_row + column, n);
  }
  for (Size s = 0; s < t.steps; ++s) {
    Register::F b[2];
    if constexpr (W::kMasked) {
      b[v] = Register::LoadN(t.w + s * t.w_step + column, n);
    } else {
      W::Get(t.w + s * t.w_step + W::Offset(group), b);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      acc[i] = Register::Fma(Register::Broadcast(a[i]), b[v], acc[i]);
      a[i] += t.a_step;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    if (static_cast<Size>(i) >= height) continue;
    Register::StoreN(t.c + (first_row + static_cast<Size>(i)) * t.c_row + column, acc[i], n);
  }
}

// The last panel of a matrix whose width is no multiple of 32, a register of columns at a time.
template <class W>
void EdgeTile(const Tile<W>& t, Size rows, Size columns) {
  for (int group = 0; group < kGroups; ++group) {
    for (int v = 0; v < 2; ++v) {
      const Size first = W::Column(group, v);
      if (first >= columns) continue;
      const Size n = columns - first < kLanes ? columns - first : kLanes;
      for (Size r = 0; r < rows; r += 8) {
        const Size height = rows - r < 8 ? rows - r : 8;
        if (height == 1) {
          EdgeRows<W, 1>(t, r, height, group, v, n);
        } else if (height <= 4) {
          EdgeRows<W, 4>(t, r, height, group, v, n);
        } else {
          EdgeRows<W, 8>(t, r, height, group, v, n);
        }
      }
    }
  }
}

template <class W, int kRows>
void Groups(const Tile<W>& t) {
  for (int group = 0; group < kGroups; ++group) FullTile<W, kRows>(t, group);
}

template <class W>
void OneTile(const Tile<W>& t, Size rows) {
  switch (rows) {
    case 1:
      return RowTile<W, 1>(t);
    case 2:
      return RowTile<W, 2>(t);
    case 3:
      return Groups<W, 3>(t);
    case 4:
      return Groups<W, 4>(t);
    case 5:
      return Groups<W, 5>(t);
    case 6:
      return Groups<W, 6>(t);
    default:
      break;
  }
  if constexpr (kTileRows == 12) {
    switch (rows) {
      case 7:
        return Groups<W, 7>(t);
      case 8:
        return Groups<W, 8>(t);
      case 9:
        return Groups<W, 9>(t);
      case 10:
        return Groups<W, 10>(t);
      case 11:
        return Groups<W, 11>(t);
      default:
        return Groups<W, 12>(t);
    }
  }
}

template <class W>
Tile<W> Begin(const PanelProduct& p, Size panel) {
  return {p.a,
          p.a_row,
          p.a_step,
          static_cast<const typename W::Element*>(p.w) + panel * p.w_panel,
          p.w_step,
          p.w_panel,
          p.c + 32 * panel,
          p.c_row,
          p.steps,
          p.from_zero};
}

// One or two rows of one panel, both of its halves in one sweep where a group is half a panel: what
// is read is one ascending stream, which memory delivers at 95 % of its rate; four panels side by
// side got 77 %.
template <class W, int kRows>
void RowTile(const Tile<W>& t) {
  Register::F acc[kRows][kGroups][2];
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        acc[r][g][v] = t.from_zero
                           ? Register::Zero()
                           : Register::Load(t.c + static_cast<Size>(r) * t.c_row + W::Column(g, v));
      }
    }
  }
  const float* a = t.a;
  const typename W::Element* w = t.w;
  for (Size s = t.steps; s > 0; --s) {
    __builtin_prefetch(w + 2 * W::kAhead * t.w_step);
    if constexpr (W::kMasked) __builtin_prefetch(w + 2 * W::kAhead * t.w_step + 16);
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
      Register::F b[2];
      W::Get(w + W::Offset(g), b);
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        const Register::F x = Register::Broadcast(a + static_cast<Size>(r) * t.a_row);
        acc[r][g][0] = Register::Fma(x, b[0], acc[r][g][0]);
        acc[r][g][1] = Register::Fma(x, b[1], acc[r][g][1]);
      }
    }
    w += t.w_step;
    a += t.a_step;
  }
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
    for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        Register::Store(t.c + static_cast<Size>(r) * t.c_row + W::Column(g, v), acc[r][g][v]);
      }
    }
  }
}

template <class W>
void Product(const PanelProduct& p) {
  const Size panels = p.columns / 32, edge = p.columns % 32;
  const Size tiles = (p.rows + kTileRows - 1) / kTileRows;
  for (Size panel = 0; panel < panels; ++panel) {
    for (Size i = 0; i < tiles; ++i) {
      const Size first = i * p.rows / tiles, end = (i + 1) * p.rows / tiles;
      Tile<W> t = Begin<W>(p, panel);
      t.a += first * p.a_row;
      t.c += first * p.c_row;
      OneTile(t, end - first);
    }
  }
  if (edge > 0) EdgeTile(Begin<W>(p, panels), p.rows, edge);
}

void ProductF32(const PanelProduct& p) { Product<WeightsF32>(p); }
void ProductBf16(const PanelProduct& p) { Product<WeightsBf16>(p); }

// iterations x kPeakChains x kLanes multiply-adds in registers.
constexpr int kPeakChains = 12;
void FmaBurst(Size iterations, float* result) {
  const float start = 0.5f, factor = 0.999999f, addend = 1e-6f;
  Register::F acc[kPeakChains];
  for (int i = 0; i < kPeakChains; ++i) acc[i] = Register::Broadcast(&start);
  const Register::F x = Register::Broadcast(&factor), y = Register::Broadcast(&addend);
  for (Size n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kPeakChains; ++i) acc[i] = Register::Fma(acc[i], x, y);
  }
  float lanes[kLanes];
  *result = 0;
  for (int i = 0; i < kPeakChains; ++i) {
    Register::Store(lanes, acc[i]);
    *result += lanes[0];
  }
}

}  // namespace
}  // namespace pawl
