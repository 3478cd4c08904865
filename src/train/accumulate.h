// Gradients of a micro-batch of groups, each a prompt shared by its completions.  The prompt goes
// through the model once, its gradient once; completions go through in slices that bound the
// memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "model/backward.h"

namespace pawl {

// One completion of a group with the loss's derivative at each of its tokens.  Coefficients of zero
// cost no head product; log_probs and entropies are written (length of ids).
struct CompletionTask {
  std::span<const std::int32_t> ids;      // n tokens, all predicted
  std::span<const float> dloss_dlogp;     // n
  std::span<float> log_probs, entropies;  // n each, written
};

struct GroupTask {
  std::span<const std::int32_t> prompt;  // at least one token
  std::vector<CompletionTask> completions;
};

struct AccumulateOptions {
  float inverse_temperature = 1.0f;
  std::size_t slice_rows = 512;  // completions of a slice together; at least one completion goes in
  std::function<bool()> cancelled = {};  // looked at between passes
};

// Rows of completions whose activations stay within about kSliceBytes, from 128 to 4096 (512 where
// they are recomputed): what a training step holds beside weights, prompts and optimizer.
inline constexpr std::size_t kSliceBytes = std::size_t{384} << 20;
std::size_t SliceRows(const Policy& policy, Saving saving = Saving::kAll);

// Buffers kept between calls, so that a step allocates nothing once warm.
struct TrainBuffers;
struct TrainBuffersDelete {
  void operator()(TrainBuffers* buffers) const;
};
using TrainBuffersPtr = std::unique_ptr<TrainBuffers, TrainBuffersDelete>;
TrainBuffersPtr MakeTrainBuffers(const Model& model, Saving saving = Saving::kAll);

// ADDS d(sum of dloss_dlogp * log p) to gradients: groups in order, a group's completions in order,
// prompts last.  The bits do not depend on slice_rows, threads or instruction set (a tied head in
// full training needs gradients.lookup for that).  gradients empty (both null): only log_probs and
// entropies are computed.  False: cancelled, with a part of the gradients added.
bool AccumulateGradients(const Policy& policy, const Compute& compute,
                         std::span<const GroupTask> groups, const AccumulateOptions& options,
                         TrainBuffers& buffers, const Gradients& gradients);

}  // namespace pawl
