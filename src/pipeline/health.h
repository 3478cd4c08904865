// Tripwires: signs of collapse that need no statistics, read from a step's metrics.
#pragma once

#include <string>

#include "base/json.h"
#include "pipeline/config.h"

namespace pawl {

// What the tripwires compare with; part of a checkpoint, as JSON: "first", the metrics of the
// attempt's first step, and "grad_norms", the last 20.
void RememberStep(Json& memory, const Json& metrics);

// What is wrong with a step, as a clause ("grad_norm 812 is 97 times its median"); "" if nothing.
// Metrics that a step does not have trip nothing.
std::string TrippedBy(const HealthSection& health, const Json& memory, const Json& metrics);

}  // namespace pawl
