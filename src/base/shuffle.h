// Fisher-Yates, from the back: one draw per element but the first.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "base/philox.h"

namespace pawl {

template <class T>
void Shuffle(std::vector<T>& values, RandomStream& random) {
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[random.Below(static_cast<std::uint32_t>(i))]);
  }
}

// 0 to n - 1, shuffled.
inline std::vector<std::size_t> ShuffledOrder(std::size_t n, RandomStream& random) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Shuffle(order, random);
  return order;
}

}  // namespace pawl
