// Measures one piece of work: how long it takes and how much memory it needs.  Callers run each
// piece in a process of its own, so that peak memory is that piece's.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/profile.h"
#include "model/backward.h"
#include "model/model.h"
#include "speed/ceiling.h"

namespace pawl {

struct SpeedRequest {
  SpeedWork work = SpeedWork::kDecode;
  SpeedShape shape;
  int repeats = 5;  // the median is reported; one warm-up run comes first
  int lora_r = 16;  // train and grpo_step: all linear layers
  Saving saving = Saving::kAll;
  bool profile = false;
};

struct SpeedResult {
  double seconds = 0;  // median
  std::size_t peak_rss_bytes = 0;
  std::vector<ProfileRow> profile;  // mean over the repeats; empty unless asked for
};

// The model's positions must cover prompt_tokens + new_tokens.  For kFullTrain the model's matrices
// must be float32.  The tokens are drawn from a fixed stream; every run of a repeat does the same
// work.
Result<SpeedResult> MeasureSpeed(const SpeedRequest& request, Model& model, const Compute& compute);

// The shape behind --synthetic; kUsage with the known names.
Result<ModelConfig> SyntheticConfig(const std::string& name);

// Largest resident set of this process so far, from the kernel.
std::size_t PeakRssBytes();

// One row of the `results` of `speed` (contract, format_version 1).
Json SpeedRowJson(const SpeedRequest& request, const SpeedResult& result, const ModelConfig& config,
                  std::size_t bytes_per_weight, const MachinePeaks& peaks);

}  // namespace pawl
