// The verbs `debug grpo-loss`, `debug optimizer` and `debug schedule`: cases from files in, numbers
// out, for comparison with a reference.
#pragma once

#include <filesystem>

#include "base/error.h"
#include "base/json.h"

namespace pawl {

// folder: cases.json and cases.safetensors; writes <case>/advantages, <case>/loss,
// <case>/grad_logps and beside it the metrics as JSON.  A case that asks for something that is not
// offered is kBadFile naming it.
Status DebugGrpoLoss(const std::filesystem::path& folder, const std::filesystem::path& output);

// folder: adamw.json and adamw.safetensors; writes <case>/p<i>.param [steps, ...] and
// <case>/grad_norm [steps].
Status DebugOptimizer(const std::filesystem::path& folder, const std::filesystem::path& output);

// {"name","base_lr","warmup","total","options"} -> {"lr": [101 values]}.
Result<Json> DebugSchedule(const Json& line);

}  // namespace pawl
