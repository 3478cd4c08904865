// The verbs `debug grpo-loss`, `debug optimizer` and `debug schedule`: cases from files in, numbers
// out, for comparison with a reference.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

// folder: cases.json and cases.safetensors; writes <case>/advantages, <case>/loss,
// <case>/grad_logps (<case>/grad_entropies with an entropy bonus) and beside it the metrics as
// JSON. expected.* tensors are never read.
Status DebugGrpoLoss(const std::filesystem::path& folder, const std::filesystem::path& output);

// folder: adamw.json and adamw.safetensors; writes <case>/p<i>.param [steps, ...] and
// <case>/grad_norm [steps].
Status DebugOptimizer(const std::filesystem::path& folder, const std::filesystem::path& output);

// {"name","base_lr","warmup","total","options"} -> {"lr": [101 values]}.  An option that the
// schedule does not have is refused, as the library does.
Result<Json> DebugSchedule(const Json& line);
// The same line; the rates of the first `count` steps.
Result<std::vector<double>> ScheduleRates(const Json& line, const std::string& place,
                                          std::size_t count);

}  // namespace pawl
