// AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) in PyTorch's order of operations, and gradient
// clipping. Plain multiplications, additions, divisions and square roots only, so that every
// compiler and vector width gives the same bits.
#pragma once

#include <cstdint>
#include <span>

#include "base/thread_pool.h"

namespace pawl {

struct AdamWConfig {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;
};

// The numbers of one step that all elements share.
struct AdamWStep {
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float decay;               // 1 - lr * weight_decay, for decayed parameters
  float step_size;           // lr / (1 - beta1^t)
  float inverse_sqrt_bias2;  // 1 / sqrt(1 - beta2^t)
  float epsilon;
};
// step: t, counted from 1.
AdamWStep MakeAdamWStep(const AdamWConfig& config, double learning_rate, std::int64_t step);

// weights *= decay (when `decayed`); m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
// weights -= step_size * m / (sqrt(v) * inverse_sqrt_bias2 + eps).  g = gradient * gradient_scale.
// All spans have one length; elements are independent, so callers may cut ranges as they like.
void AdamWUpdate(const AdamWStep& step, bool decayed, float gradient_scale,
                 std::span<float> weights, std::span<const float> gradients,
                 std::span<float> first_moment, std::span<float> second_moment);

// L2-SP (Li et al. 2018, arXiv:1802.01483): weights += rate * (start - weights), decoupled like
// AdamW's decay.
void DecayTowards(float rate, std::span<const float> start, std::span<float> weights);

// Sum of squares in double: 16 lanes within chunks of 65,536 elements, chunks in order.
double SumOfSquares(std::span<const float> values, ThreadPool& pool);

// PyTorch's clip_grad_norm_: the factor min(1, max_norm / (norm + 1e-6)); 1 when max_norm is 0.
double ClipFactor(double norm, double max_norm);

}  // namespace pawl
