#include "base/views.h"

#include <sys/mman.h>

namespace pawl {
namespace {

// From this size on memory comes from mmap, aligned to 2 MiB, and asks for huge pages: measured
// elsewhere at 5 to 15 % more stream bandwidth.  Untouched pages stay unbacked.
constexpr std::size_t kHugeFrom = std::size_t{4} << 20;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

void* AlignedAllocate(std::size_t bytes) {
  if (bytes >= kHugeFrom) {
    const std::size_t total = bytes + kHugePage;
    if (total < bytes) throw std::bad_alloc();
    void* raw = mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) throw std::bad_alloc();
    const auto start = reinterpret_cast<std::size_t>(raw);
    const std::size_t aligned = (start + kHugePage - 1) / kHugePage * kHugePage;
    // Give back what lies before and after, so that AlignedFree needs only address and size.
    if (aligned > start) munmap(raw, aligned - start);
    const std::size_t page = 4096;
    const std::size_t end = aligned + (bytes + page - 1) / page * page;
    if (start + total > end) munmap(reinterpret_cast<void*>(end), start + total - end);
    void* data = reinterpret_cast<void*>(aligned);
    madvise(data, bytes, MADV_HUGEPAGE);
    return data;
  }
  const std::size_t rounded = (bytes + 63) / 64 * 64;
  void* data = std::aligned_alloc(64, rounded);
  if (data == nullptr) throw std::bad_alloc();
  std::memset(data, 0, rounded);
  return data;
}

void AlignedFree(void* data, std::size_t bytes) {
  if (bytes >= kHugeFrom) {
    munmap(data, (bytes + 4095) / 4096 * 4096);
  } else {
    std::free(data);
  }
}

}  // namespace pawl
