#include "kernels/machine.h"

#include <immintrin.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "base/views.h"
#include "kernels/kernel_table.h"

namespace pawl {
namespace {

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// The largest of `runs` rates: amount per run over its seconds.
template <class Work>
double BestRate(int runs, double amount, Work work) {
  double best = 0;
  for (int run = 0; run < runs; ++run) {
    const double start = Now();
    work();
    best = std::max(best, amount / (Now() - start));
  }
  return best;
}

// GCC 12's own avx512 headers read a deliberately undefined register (GCC bug 105593).
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

// 8-bit dot products in registers: twelve chains, so that latency is hidden.
__attribute__((target("avx512f,avx512vnni"))) void VnniBurst(std::size_t iterations, int* result) {
  __m512i acc[12];
  for (int i = 0; i < 12; ++i) acc[i] = _mm512_set1_epi32(i);
  const __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(1);
  for (std::size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
  }
  __m512i sum = acc[0];
  for (int i = 1; i < 12; ++i) sum = _mm512_add_epi32(sum, acc[i]);
  *result = _mm512_reduce_add_epi32(sum);
}

__attribute__((target("avx2,avxvnni"))) void AvxVnniBurst(std::size_t iterations, int* result) {
  __m256i acc[12];
  for (int i = 0; i < 12; ++i) acc[i] = _mm256_set1_epi32(i);
  const __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(1);
  for (std::size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) acc[i] = _mm256_dpbusd_avx_epi32(acc[i], a, b);
  }
  __m256i sum = acc[0];
  for (int i = 1; i < 12; ++i) sum = _mm256_add_epi32(sum, acc[i]);
  *result = _mm256_extract_epi32(sum, 0);
}

__attribute__((target("avx2"))) void MaddubsBurst(std::size_t iterations, int* result) {
  __m256i acc[8];
  for (int i = 0; i < 8; ++i) acc[i] = _mm256_set1_epi32(i);
  const __m256i a = _mm256_set1_epi8(3), b = _mm256_set1_epi8(1), one = _mm256_set1_epi16(1);
  for (std::size_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const __m256i varied = _mm256_xor_si256(a, acc[i]);
      const __m256i pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(varied, b), one);
      acc[i] = _mm256_add_epi32(acc[i], pairs);
    }
  }
  __m256i sum = acc[0];
  for (int i = 1; i < 8; ++i) sum = _mm256_add_epi32(sum, acc[i]);
  *result = _mm256_extract_epi32(sum, 0);
}

void FmaBurst(ThreadPool& pool, Isa isa, std::size_t iterations) {
  std::vector<float> sink(static_cast<std::size_t>(pool.size()) * 16);
  pool.Run([&](int t) {
    KernelsFor(isa).fma_burst(iterations, &sink[static_cast<std::size_t>(t) * 16]);
  });
}
double BurstGflop(const ThreadPool& pool, Isa isa, std::size_t iterations) {
  return static_cast<double>(iterations) * KernelsFor(isa).burst_flops * pool.size() / 1e9;
}

double MeasureInt8(ThreadPool& pool, Isa isa) {
  const double threads = pool.size();
  constexpr std::size_t kIterations = 1'000'000;
  std::vector<int> sink(static_cast<std::size_t>(pool.size()) * 16);
  const auto run = [&](void (*burst)(std::size_t, int*), double operations) {
    return BestRate(4, operations * threads * static_cast<double>(kIterations) / 1e9, [&] {
      pool.Run([&](int t) { burst(kIterations, &sink[static_cast<std::size_t>(t) * 16]); });
    });
  };
  if (isa == Isa::kAvx512Vnni) return run(VnniBurst, 12 * 64 * 2);
  if (isa == Isa::kAvxVnni) return run(AvxVnniBurst, 12 * 32 * 2);
  if (isa != Isa::kPortable) return run(MaddubsBurst, 8 * 32 * 2);
  return 0;
}

}  // namespace

MachinePeaks MeasureMachine(ThreadPool& pool, Isa isa) {
  const KernelTable& kernels = KernelsFor(isa);
  MachinePeaks peaks;
  peaks.cpu = CpuName();
  const auto threads = static_cast<std::size_t>(pool.size());
  std::vector<float> sink(threads * 16);

  // 256 MiB is beyond the last-level cache of the machines this is for; touched once before it is
  // timed.
  const std::size_t floats = std::size_t{64} << 20;
  AlignedBuffer<float> data(floats);
  pool.For(floats, 4096, [&](std::size_t begin, std::size_t end) {
    std::fill(data.data() + begin, data.data() + end, 1.0f);
  });
  peaks.read_gb_per_second = BestRate(5, static_cast<double>(floats) * 4 / 1e9, [&] {
    pool.Run([&](int t) {
      const IndexRange range = ThreadRange(floats, 4096, t, pool.size());
      kernels.read_burst(data.data() + range.begin, range.size(),
                         &sink[static_cast<std::size_t>(t) * 16]);
    });
  });
  const std::size_t iterations = isa == Isa::kPortable ? 100'000 : 1'500'000;
  peaks.fma_gflop_per_second =
      BestRate(5, BurstGflop(pool, isa, iterations), [&] { FmaBurst(pool, isa, iterations); });
  peaks.int8_gop_per_second = MeasureInt8(pool, isa);
  return peaks;
}

double FmaRate(ThreadPool& pool, Isa isa, double seconds) {
  const std::size_t iterations = isa == Isa::kPortable ? 10'000 : 200'000;
  const double start = Now();
  double gflop = 0, taken = 0;
  while (taken < seconds) {
    FmaBurst(pool, isa, iterations);
    gflop += BurstGflop(pool, isa, iterations);
    taken = Now() - start;
  }
  return gflop / taken;
}

std::string CpuName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const std::size_t colon = line.find(": ");
    return colon == std::string::npos ? line : line.substr(colon + 2);
  }
  return "unknown CPU";
}

std::vector<std::string> CpuFeatures() {
  std::ifstream info("/proc/cpuinfo");
  std::string flags;
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("flags", 0) == 0) {
      flags = line + " ";
      break;
    }
  }
  std::vector<std::string> found;
  for (const char* name :
       {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx_vnni"}) {
    if (flags.find(std::string(" ") + name + " ") != std::string::npos) found.push_back(name);
  }
  return found;
}

}  // namespace pawl
