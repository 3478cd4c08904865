#include "kernels/compute.h"

#include "base/check.h"
#include "kernels/kernel_table.h"

namespace pawl {
namespace {

constexpr Isa kAllIsas[] = {Isa::kPortable, Isa::kAvx2, Isa::kAvx512};

bool Supported(Isa isa) {
#if defined(__x86_64__)
  // These built-ins also ask the operating system whether it saves the wider registers.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  switch (isa) {
    case Isa::kPortable:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvx512:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  }
  return false;
#else
  return isa == Isa::kPortable;
#endif
}

}  // namespace

const char* IsaName(Isa isa) { return KernelsFor(isa).name; }

std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas;
  for (const Isa isa : kAllIsas) {
    if (Supported(isa)) isas.push_back(isa);
  }
  return isas;
}

Isa BestIsa() { return SupportedIsas().back(); }

Result<Isa> ParseIsa(const std::string& name) {
  std::string supported;
  for (const Isa isa : kAllIsas) {
    if (Supported(isa) && name == IsaName(isa)) return isa;
    if (Supported(isa)) supported += (supported.empty() ? "" : ", ") + std::string(IsaName(isa));
  }
  for (const Isa isa : kAllIsas) {
    if (name != IsaName(isa)) continue;
    return Usage("instruction set: this CPU lacks " + name + "; choose one of " + supported);
  }
  return Usage("instruction set: found \"" + name + "\", expected one of " + supported);
}

const KernelTable& KernelsFor(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx2) return kAvx2Kernels;
  if (isa == Isa::kAvx512) return kAvx512Kernels;
#endif
  return kPortableKernels;
}

}  // namespace pawl
