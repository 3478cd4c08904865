// Memory that a thread reuses from call to call, so that operations allocate nothing in the steady
// state.  Contents are whatever was there.  Private to kernels/.
#pragma once

#include <cstddef>

namespace pawl {

enum class ScratchSlot { kFirst, kSecond, kThird, kFourth, kFifth, kScales, kBytes, kCount };

// 64-byte aligned, valid until the same thread asks for the same slot again.
float* ThreadScratch(ScratchSlot slot, std::size_t floats);

}  // namespace pawl
