#include "model/inv_freq.h"

#include <cmath>

#include "kernels/math.h"

namespace pawl {
namespace {

// 2 pi rounded to float32, as a Python float meets a float32 tensor.
constexpr float kTwoPi = 6.2831853071795864769f;

// Llama 3.1's rule: long wavelengths are slowed by `factor`, short ones kept, those between
// blended.
float Llama3(float inv_freq, float factor, float low, float high, float original) {
  const float wavelength = kTwoPi / inv_freq;
  if (wavelength > original / low) return inv_freq / factor;
  if (wavelength < original / high) return inv_freq;
  const float smooth = (original / wavelength - low) / (high - low);
  return (1.0f - smooth) * inv_freq / factor + smooth * inv_freq;
}

}  // namespace

std::vector<float> InverseFrequencies(const ModelConfig& config) {
  const std::size_t width = config.head_dim;
  std::vector<float> out(width / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(width);
    const double power =
        PowD(static_cast<double>(config.rope.theta), static_cast<double>(exponent));
    out[i] = 1.0f / static_cast<float>(power);
    if (config.rope.type == RopeType::kLinear) {
      out[i] /= static_cast<float>(config.rope.factor);
    } else if (config.rope.type == RopeType::kLlama3) {
      out[i] = Llama3(out[i], static_cast<float>(config.rope.factor),
                      static_cast<float>(config.rope.low_freq_factor),
                      static_cast<float>(config.rope.high_freq_factor),
                      static_cast<float>(config.rope.original_max_position_embeddings));
    }
  }
  return out;
}

}  // namespace pawl
