// Products of 8-bit weights and 7-bit activations, and the quantiser, for the x86 kernels.  Before
// this file come struct Register (see products_x86.h) and
//   struct Dot: I, kTileRows, Zero, Load, Broadcast4, MulAdd (32-bit lanes += four products each),
//               ToFloat (lanes minus lanes, converted)
// Sums are exact, so tiles may take any shape.  Private to kernels/.
#pragma once

#include <immintrin.h>

#include "kernels/kernel_table.h"

namespace pawl {
namespace {

using Size8 = std::size_t;
constexpr Size8 kInt8Lanes = Register::kLanes;
constexpr int kInt8Vectors = 32 / Register::kLanes;  // registers of a panel's line of 128 bytes
constexpr Size8 kInt8Ahead = 32;                     // lines that weights are fetched ahead

// kRows rows by kVectors registers of one panel, all of the reduction.
template <int kRows, int kVectors>
void Int8Tile(const Int8Product& p, Size8 row, Size8 panel, Size8 first_vector) {
  Dot::I acc[kRows][kVectors];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[r][v] = Dot::Zero();
  }
  // Three rows share a pointer, as in FullTile.
  constexpr int kThirds = (kRows + 2) / 3;
  const std::uint8_t* a[kThirds];
#pragma GCC unroll 4
  for (int i = 0; i < kThirds; ++i) a[i] = p.a + (row + static_cast<Size8>(3 * i)) * p.a_row;
  const std::int8_t* w = p.w + panel * p.w_panel + first_vector * 4 * kInt8Lanes;
  for (Size8 s = p.groups; s > 0; --s) {
    __builtin_prefetch(w + kInt8Ahead * 128);
    if constexpr (kVectors * kInt8Lanes == 32) __builtin_prefetch(w + kInt8Ahead * 128 + 64);
    Dot::I b[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) b[v] = Dot::Load(w + static_cast<Size8>(v) * 4 * kInt8Lanes);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const Dot::I x = Dot::Broadcast4(a[r / 3] + static_cast<Size8>(r % 3) * p.a_row);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = Dot::MulAdd(acc[r][v], x, b[v]);
    }
    w += 128;
#pragma GCC unroll 4
    for (int i = 0; i < kThirds; ++i) a[i] += 4;
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const Size8 column = panel * 32 + (first_vector + static_cast<Size8>(v)) * kInt8Lanes;
    if (column >= p.columns) continue;
    const Size8 left = p.columns - column, n = left < kInt8Lanes ? left : kInt8Lanes;
    const Register::F scales = Register::Load(p.column_scale + column);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const Size8 at = row + static_cast<Size8>(r);
      const Register::F scale = Register::Mul(Register::Broadcast(p.row_scale + at), scales);
      Register::F y = Register::Mul(Dot::ToFloat(acc[r][v], p.offset + column), scale);
      float* c = p.c + at * p.c_row + column;
      if (n == kInt8Lanes) {
        if (p.add) y = Register::Add(Register::Load(c), y);
        Register::Store(c, y);
      } else {
        if (p.add) y = Register::Add(Register::LoadN(c, n), y);
        Register::StoreN(c, y, n);
      }
    }
  }
}

template <int kRows>
void Int8Panel(const Int8Product& p, Size8 row, Size8 panel) {
  // One row reads the panel as one stream; more rows share what the accumulators leave of it.
  constexpr int kVectors = kRows == 1 ? kInt8Vectors : 2;
  for (Size8 v = 0; v < kInt8Vectors; v += kVectors) Int8Tile<kRows, kVectors>(p, row, panel, v);
}

template <int kRows>
void Int8Rows(const Int8Product& p, Size8 row, Size8 panel, Size8 rows) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return Int8Rows<kRows - 1>(p, row, panel, rows);
  }
  Int8Panel<kRows>(p, row, panel);
}

void ProductInt8(const Int8Product& p) {
  const Size8 panels = (p.columns + 31) / 32;
  const Size8 tiles = (p.rows + Dot::kTileRows - 1) / Dot::kTileRows;
  for (Size8 panel = 0; panel < panels; ++panel) {
    for (Size8 i = 0; i < tiles; ++i) {
      const Size8 first = i * p.rows / tiles, end = (i + 1) * p.rows / tiles;
      Int8Rows<Dot::kTileRows>(p, first, panel, end - first);
    }
  }
}

}  // namespace
}  // namespace pawl
