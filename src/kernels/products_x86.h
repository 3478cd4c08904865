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

// kRows x kPanels tiles of one group, all columns present.
template <class W, int kRows, int kPanels>
void FullTile(const Tile<W>& t, int group) {
  constexpr int kThirds = (kRows + 2) / 3;
  Register::F acc[kRows][kPanels][2];
  float* c0 = t.c + W::Column(group, 0);
  const Size high = W::Column(group, 1) - W::Column(group, 0);
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      const float* c = c0 + static_cast<Size>(r) * t.c_row + static_cast<Size>(32 * p);
      acc[r][p][0] = t.from_zero ? Register::Zero() : Register::Load(c);
      acc[r][p][1] = t.from_zero ? Register::Zero() : Register::Load(c + high);
    }
  }
  // Three rows share a pointer: rows base, base + row, base + 2 row are one addressing mode each.
  const float* a[kThirds];
#pragma GCC unroll 4
  for (int i = 0; i < kThirds; ++i) a[i] = t.a + static_cast<Size>(3 * i) * t.a_row;
  const typename W::Element* w = t.w + W::Offset(group);
  for (Size s = t.steps; s > 0; --s) {
    Register::F b[kPanels][2];
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      const typename W::Element* line = w + static_cast<Size>(p) * t.w_panel;
      __builtin_prefetch(line + W::kAhead * t.w_step);
      if (W::kMasked && kLanes == 16) __builtin_prefetch(line + W::kAhead * t.w_step + 16);
      W::Get(line, b[p]);
    }
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const Register::F x = Register::Broadcast(a[r / 3] + static_cast<Size>(r % 3) * t.a_row);
#pragma GCC unroll 4
      for (int p = 0; p < kPanels; ++p) {
        acc[r][p][0] = Register::Fma(x, b[p][0], acc[r][p][0]);
        acc[r][p][1] = Register::Fma(x, b[p][1], acc[r][p][1]);
      }
    }
    w += t.w_step;
#pragma GCC unroll 4
    for (int i = 0; i < kThirds; ++i) a[i] += t.a_step;
  }
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
      float* c = c0 + static_cast<Size>(r) * t.c_row + static_cast<Size>(32 * p);
      Register::Store(c, acc[r][p][0]);
      Register::Store(c + high, acc[r][p][1]);
    }
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

// kPanels full panels for `rows` rows, in tiles of nearly equal height.
template <class W, int kRows, int kPanels>
void Groups(const Tile<W>& t) {
  for (int group = 0; group < kGroups; ++group) FullTile<W, kRows, kPanels>(t, group);
}

template <class W>
void OneTile(const Tile<W>& t, Size rows) {
  switch (rows) {
    case 1:
      return Groups<W, 1, 1>(t);
    case 2:
      return Groups<W, 2, 1>(t);
    case 3:
      return Groups<W, 3, 1>(t);
    case 4:
      return Groups<W, 4, 1>(t);
    case 5:
      return Groups<W, 5, 1>(t);
    case 6:
      return Groups<W, 6, 1>(t);
    default:
      break;
  }
  if constexpr (kTileRows == 12) {
    switch (rows) {
      case 7:
        return Groups<W, 7, 1>(t);
      case 8:
        return Groups<W, 8, 1>(t);
      case 9:
        return Groups<W, 9, 1>(t);
      case 10:
        return Groups<W, 10, 1>(t);
      case 11:
        return Groups<W, 11, 1>(t);
      default:
        return Groups<W, 12, 1>(t);
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

// One to three rows take several panels at a time: independent chains hide the latency of fma.
template <class W>
Size FewRows(const PanelProduct& p, Size panels) {
  Size panel = 0;
  if (p.rows == 1) {
    for (; panel + 4 <= panels; panel += 4) Groups<W, 1, 4>(Begin<W>(p, panel));
  }
  if (p.rows <= 2) {
    for (; panel + 2 <= panels; panel += 2) {
      p.rows == 1 ? Groups<W, 1, 2>(Begin<W>(p, panel)) : Groups<W, 2, 2>(Begin<W>(p, panel));
    }
  }
  return panel;
}

template <class W>
void Product(const PanelProduct& p) {
  const Size panels = p.columns / 32, edge = p.columns % 32;
  const Size tiles = (p.rows + kTileRows - 1) / kTileRows;
  for (Size panel = p.rows <= 2 ? FewRows<W>(p, panels) : 0; panel < panels; ++panel) {
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
