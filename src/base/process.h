// What this process has used so far.
#pragma once

#include <cstddef>

namespace pawl {

double ProcessCpuSeconds();       // user and system time of all its threads
std::size_t ResidentBytes();      // now; 0 where the system does not say
std::size_t PeakResidentBytes();  // the most so far

}  // namespace pawl
