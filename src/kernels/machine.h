// What this machine can do at best, measured: the ceilings that speeds are compared with.
#pragma once

#include <string>
#include <vector>

#include "kernels/compute.h"

namespace pawl {

struct MachinePeaks {
  std::string cpu;                  // as the kernel names it
  double read_gb_per_second = 0;    // streaming read from memory, all threads
  double fma_gflop_per_second = 0;  // float32 multiply-adds in registers, 2 FLOP each, all threads
  double int8_gop_per_second = 0;   // 8-bit dot products, 2 operations each; 0: none on this CPU
};

// Takes about half a second; the best of several short runs, since neighbours only ever slow it
// down.
MachinePeaks MeasureMachine(ThreadPool& pool, Isa isa);

// GFLOP/s of multiply-adds in registers over about so many seconds, all threads.
double FmaRate(ThreadPool& pool, Isa isa, double seconds);

std::string CpuName();
// Of: avx2, fma, f16c, avx512f, avx512bw, avx512_vnni, avx512_bf16, avx_vnni; those the CPU has.
std::vector<std::string> CpuFeatures();

}  // namespace pawl
