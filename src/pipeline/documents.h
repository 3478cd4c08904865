// Supervised documents: prompts with worked solutions as token ids with target weights.
#pragma once

#include <cstdint>
#include <vector>

#include "pipeline/run_context.h"
#include "train/trainer.h"

namespace pawl {

// The stage's document number `index`, counted from 0: a pure function of (run seed, stage, index).
// With level_mix it is a fresh generated problem in one of the stage's styles, or a drill;
// otherwise one of the stage's problems, in an order shuffled per epoch.
Result<SftDocument> MakeDocument(const RunContext& context, std::size_t stage, std::uint64_t index);

// Documents for one optimizer step from `next` on, which advances: tokens_per_batch tokens, or
// batch x accumulation documents.
Result<std::vector<SftDocument>> NextDocuments(const RunContext& context, std::size_t stage,
                                               std::uint64_t& next);

}  // namespace pawl
