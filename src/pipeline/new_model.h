// A model from nothing: a tokenizer trained on generated problems, and random weights.
#pragma once

#include <filesystem>

#include "base/error.h"
#include "model/model.h"
#include "pipeline/config.h"
#include "tokenizer/tokenizer.h"

namespace pawl {

// Trains the byte-level BPE on chat texts of generated problems and writes tokenizer.json and
// tokenizer_config.json; keeps what is already there.
Status MakeNewTokenizer(const RunConfig& config, const std::filesystem::path& folder);

// Qwen2 architecture, tied head, weights drawn from the run's seed.
Result<Model> MakeNewModel(const RunConfig& config, const Tokenizer& tokenizer, ThreadPool& pool);

}  // namespace pawl
