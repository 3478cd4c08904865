#include "kernels/compute.h"

#include <fmt/format.h>

#include "base/check.h"
#include "kernels/kernel_table.h"

namespace pawl {

const char* IsaName(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return "portable";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "";
}

std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas{Isa::kPortable};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isas.push_back(Isa::kAvx2);
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    isas.push_back(Isa::kAvx512);
  }
  return isas;
}

Isa BestIsa() { return SupportedIsas().back(); }

Result<Isa> ParseIsa(const std::string& name) {
  for (const Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512}) {
    if (name != IsaName(isa)) continue;
    for (const Isa supported : SupportedIsas()) {
      if (supported == isa) return isa;
    }
    return Usage(
        fmt::format("--isa: this CPU has no {}; the best it has is {}", name, IsaName(BestIsa())));
  }
  return Usage(fmt::format("--isa: unknown \"{}\", known: portable, avx2, avx512", name));
}

const KernelTable& KernelsFor(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return kPortableKernels;
    case Isa::kAvx2:
      return kAvx2Kernels;
    case Isa::kAvx512:
      return kAvx512Kernels;
  }
  PAWL_CHECK(false);
}

}  // namespace pawl
