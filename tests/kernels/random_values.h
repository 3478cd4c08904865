// Random inputs and views of them, shared by the tests of kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/philox.h"
#include "base/views.h"
#include "kernels/packed_matrix.h"

namespace pawl {

inline std::vector<float> RandomValues(std::size_t n, std::uint64_t item, float scale = 1.0f) {
  RandomStream stream({1, RandomPurpose::kTest, item, 0});
  std::vector<float> values(n);
  for (float& v : values) v = scale * static_cast<float>(2 * stream.Uniform() - 1);
  return values;
}

inline MatrixView<float> View(std::vector<float>& values, std::size_t rows, std::size_t cols) {
  return {values.data(), rows, cols};
}

inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline PackedMatrix Packed(WeightType type, std::vector<float> values, std::size_t n,
                           std::size_t k) {
  PackedMatrix packed(type, n, k);
  packed.SetRows(0, View(values, n, k));
  return packed;
}

}  // namespace pawl
