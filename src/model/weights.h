// The weights of one model, packed for the kernels.  The same structure, in float32, holds
// gradients and optimizer moments of full fine-tuning.
//
// C hidden size, H query heads, K key/value heads, D head width, F intermediate size, V vocabulary.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/model_config.h"
#include "kernels/packed_matrix.h"

namespace pawl {

struct LayerWeights {
  AlignedBuffer<float> input_norm, post_attention_norm;  // [C]
  PackedMatrix qkv;                     // [(H + 2K) * D, C]: q, then k, then v rows
  AlignedBuffer<float> qkv_bias;        // [(H + 2K) * D] or empty
  AlignedBuffer<float> q_norm, k_norm;  // [D] or empty
  PackedMatrix o;                       // [C, H * D]
  AlignedBuffer<float> o_bias;          // [C] or empty
  PackedMatrix gate_up;                 // [2F, C]: gate rows, then up rows
  PackedMatrix down;                    // [C, F]
};

struct Weights {
  PackedMatrix embed;  // [V, C]; also the head when tied
  std::vector<LayerWeights> layers;
  AlignedBuffer<float> final_norm;  // [C]
  PackedMatrix lm_head;             // [V, C], empty when tied

  const PackedMatrix& head() const { return lm_head.empty() ? embed : lm_head; }
  std::size_t bytes() const;
};

// All zero, of the config's shapes.  matrices: storage of the matrices (vectors are float32).
Weights MakeWeights(const ModelConfig& config, WeightType matrices);

// One checkpoint tensor and where it lies: rows of a matrix, or a vector.
struct Parameter {
  std::string name;  // as in the checkpoint
  std::vector<std::size_t> shape;
  PackedMatrix* matrix = nullptr;  // rows [row_begin, row_begin + shape[0])
  std::size_t row_begin = 0;
  std::span<float> vector;  // when matrix is null
};
// Every tensor of the checkpoint, in the order of the layers; a tied head is not listed.
std::vector<Parameter> Parameters(const ModelConfig& config, Weights& weights);
// Row-major float32 values of a parameter, and the reverse (rounds to the storage type).
std::vector<float> ReadParameter(const Parameter& parameter);
void WriteParameter(const Parameter& parameter, std::span<const float> values);

// The trained storage as flat spans, in a fixed order: for the optimizer, norms and checkpoints.
// decay: matrices and embeddings are decayed, norms and biases are not (Hugging Face's rule).
struct FlatParameter {
  std::string name;
  std::span<float> values;  // panel order for matrices, padding (always zero) included
  bool decay = false;
};
std::vector<FlatParameter> Flatten(Weights& weights);  // matrices must be kF32

}  // namespace pawl
