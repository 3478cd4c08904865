#include "kernels/compute.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/check.h"
#include "kernels/kernel_table.h"

namespace pawl {
namespace {

constexpr Isa kAllIsas[] = {Isa::kPortable, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512,
                            Isa::kAvx512Vnni};

#if defined(__x86_64__)
// CPUID leaf 7, subleaf 1, EAX bit 4; asked directly, since not every compiler knows its name.
bool HasAvxVnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & (1u << 4)) != 0;
}
#endif

bool Supported(Isa isa) {
#if defined(__x86_64__)
  // These built-ins also ask the operating system whether it saves the wider registers.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  switch (isa) {
    case Isa::kPortable:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvxVnni:
      return avx2 && HasAvxVnni();
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx512Vnni:
      return avx512 && __builtin_cpu_supports("avx512vnni");
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
  if (isa == Isa::kAvxVnni) return kAvxVnniKernels;
  if (isa == Isa::kAvx512) return kAvx512Kernels;
  if (isa == Isa::kAvx512Vnni) return kAvx512VnniKernels;
#endif
  return kPortableKernels;
}

}  // namespace pawl
