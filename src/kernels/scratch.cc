#include "kernels/scratch.h"

#include <array>

#include "base/views.h"

namespace pawl {

float* ThreadScratch(ScratchSlot slot, std::size_t floats) {
  thread_local std::array<AlignedBuffer<float>, static_cast<std::size_t>(ScratchSlot::kCount)> all;
  AlignedBuffer<float>& buffer = all[static_cast<std::size_t>(slot)];
  if (buffer.size() < floats) buffer = AlignedBuffer<float>(floats + floats / 4);
  return buffer.data();
}

}  // namespace pawl
