// The rotary table's frequencies.  Private to model/ and its tests.
#pragma once

#include <vector>

#include "checkpoint/model_config.h"

namespace pawl {

// inv_freq[i] = 1 / theta^(2i / D), i < D / 2, every step rounded to float32 as Hugging Face does,
// then the config's scaling (none, linear, llama3).
std::vector<float> InverseFrequencies(const ModelConfig& config);

}  // namespace pawl
