// What every computation is given: the threads and the kernels of the chosen instruction set.
// Neither changes a result by a bit.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"

namespace pawl {

// Instruction sets with kernels of their own.  kPortable runs anywhere and is the reference; those
// with VNNI differ from the ones before them in 8-bit products alone.
enum class Isa { kPortable, kAvx2, kAvxVnni, kAvx512, kAvx512Vnni };

const char* IsaName(Isa isa);      // "portable", "avx2", "avxvnni", "avx512", "avx512vnni"
std::vector<Isa> SupportedIsas();  // on this machine, slowest first
Isa BestIsa();                     // the last of SupportedIsas()
Result<Isa> ParseIsa(const std::string& name);  // kUsage for unknown or unsupported ones

struct KernelTable;  // kernels/kernel_table.h: function pointers, private to kernels/
const KernelTable& KernelsFor(Isa isa);

struct Compute {
  ThreadPool& pool;
  Isa isa;
  const KernelTable& kernels;

  explicit Compute(ThreadPool& threads, Isa chosen = BestIsa())
      : pool(threads), isa(chosen), kernels(KernelsFor(chosen)) {}
};

}  // namespace pawl
