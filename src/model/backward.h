// The backward pass at layer granularity, hand-written.
//
// A micro-batch is trained as one pass over its prompts and one or more passes over completions
// that continue them.  Gradients of the prompts' keys and values gather in PrefixGradients while
// the completions' passes run backward; the prompts' backward pass comes last and starts from them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/forward.h"

namespace pawl {

// Gradients of looked-up embedding rows, kept apart from the matrix until the step's end.  A tied
// embedding also gets the head's gradient; folding the lookups in afterwards makes the sum (head of
// all rows, then lookups of all rows) free of how the step was cut into passes.
class LookupGradient {
 public:
  explicit LookupGradient(const ModelConfig& config);
  // row[ids[t]] += dx[t], t ascending.
  void Add(const Compute& compute, std::span<const std::int32_t> ids, MatrixView<const float> dx);
  // Adds the rows to `embed` (kF32) and forgets them.  Once, after the step's last pass.
  void FoldInto(const Compute& compute, PackedMatrix& embed);

 private:
  std::size_t width_;
  std::vector<std::int32_t> slot_of_id_;  // [V], -1: none
  std::vector<std::int32_t> ids_;         // by slot
  AlignedBuffer<float> rows_;             // [slots, C]; grows
};

// Where gradients go; parts may be absent: with an adapter only the adapter is trained.
struct Gradients {
  Weights* weights = nullptr;        // full fine-tuning: kF32, shaped like the model's
  Adapter* adapter = nullptr;        // LoRA: ZerosLike(adapter)
  LookupGradient* lookup = nullptr;  // null: lookups are added to weights->embed at once
};

// Activations of one forward pass.  Reusable; owns its memory.
enum class Saving {
  kAll,        // everything that the backward pass reads
  kRecompute,  // the input of each layer; Backward runs the layer forward once more, to the same
               // bits
};
class SavedActivations {
 public:
  explicit SavedActivations(Saving saving = Saving::kAll);
  ~SavedActivations();
  SavedActivations(SavedActivations&&) noexcept;
  SavedActivations& operator=(SavedActivations&&) noexcept;
  std::size_t bytes() const;
  struct Layers;
  Layers& layers() { return *layers_; }
  const Layers& layers() const { return *layers_; }

 private:
  std::unique_ptr<Layers> layers_;
};
// Bytes of activations that one row needs, for memory planning.
std::size_t ActivationBytesPerRow(const ModelConfig& config, const Adapter* adapter,
                                  Saving saving = Saving::kAll);

// Gradients of the keys and values of a shared prefix, all layers.
class PrefixGradients {
 public:
  PrefixGradients(const ModelConfig& config, std::size_t positions);  // zero
  void Reset(std::size_t positions);  // zero again, for another prompt; the memory is kept
  std::size_t positions() const { return positions_; }
  // [positions, K*D]: of the stored keys (normalised and rotated) and values.
  MatrixView<float> keys(std::size_t layer);
  MatrixView<float> values(std::size_t layer);

 private:
  std::size_t layers_, width_, positions_ = 0;
  AlignedBuffer<float> data_;
};

// A sequence of a pass that is run backward.  prefix: the gradients of the positions before its
// first row (null when it starts at position 0); several sequences may share one.  incoming: for a
// prompt, what its completions gathered; ADDED to the gradients of its own keys and values.
struct BackwardRows {
  SequenceRows rows;
  PrefixGradients* prefix = nullptr;
  PrefixGradients* incoming = nullptr;
};

// dhidden [T, C]: gradient of Forward's output; overwritten.  ADDS to gradients.  `sequences` are
// those of the forward pass that filled `saved`, in its order, with caches still holding their keys
// and values.
void Backward(const Policy& policy, const Compute& compute, std::span<const std::int32_t> ids,
              std::span<const BackwardRows> sequences, SavedActivations& saved, Scratch& scratch,
              MatrixView<float> dhidden, const Gradients& gradients);

// One sweep over chunks of rows: logits, log p(target) and entropy (as HeadForward, the same bits),
// then the gradient for loss terms linear in them: dloss_dlogp [M], dloss_dentropy [M] or empty.
// dhidden [M, C] WRITTEN; with full fine-tuning the head's weight gradient is ADDED.  Rows whose
// coefficients are all zero cost no backward product, and no forward one either when no scores are
// asked for.  A row with dloss_dlogp != 0 needs a target >= 0.
void HeadForwardBackward(const Policy& policy, const Compute& compute,
                         MatrixView<const float> hidden, std::span<const std::int32_t> targets,
                         float inverse_temperature, std::span<const float> dloss_dlogp,
                         std::span<const float> dloss_dentropy, Scratch& scratch,
                         const HeadScores& scores, MatrixView<float> dhidden,
                         const Gradients& gradients);

}  // namespace pawl
