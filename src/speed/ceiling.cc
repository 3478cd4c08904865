#include "speed/ceiling.h"

#include <algorithm>

namespace pawl {
namespace {

double BodyWeights(const ModelConfig& c) {
  const double q = static_cast<double>(c.num_attention_heads) * static_cast<double>(c.head_dim);
  const double kv = static_cast<double>(c.num_key_value_heads) * static_cast<double>(c.head_dim);
  const double hidden = static_cast<double>(c.hidden_size);
  const double layer =
      hidden * (q + 2 * kv) + q * hidden + 3 * hidden * static_cast<double>(c.intermediate_size);
  return static_cast<double>(c.num_hidden_layers) * layer;
}

double HeadWeights(const ModelConfig& c) {
  return static_cast<double>(c.hidden_size) * static_cast<double>(c.vocab_size);
}

// FLOPs of attention for `count` tokens whose contexts begin at `first` and grow by one.
double AttentionFlops(const ModelConfig& c, double first, double count) {
  const double per_context = 4 * static_cast<double>(c.num_hidden_layers) *
                             static_cast<double>(c.num_attention_heads) *
                             static_cast<double>(c.head_dim);
  return per_context * (count * first + count * (count + 1) / 2);
}

// Operations of a forward pass: products with weights, and the rest.
struct Operations {
  double matrices = 0, attention = 0;
  double all() const { return matrices + attention; }
};

// Seconds of a forward pass bound by arithmetic.
double ForwardSeconds(const Operations& work, std::size_t bytes_per_weight,
                      const MachinePeaks& peaks) {
  const bool int8 = bytes_per_weight == 1 && peaks.int8_gop_per_second > 0;
  const double matrix_rate = int8 ? peaks.int8_gop_per_second : peaks.fma_gflop_per_second;
  return work.matrices / (matrix_rate * 1e9) + work.attention / (peaks.fma_gflop_per_second * 1e9);
}

// One group: the prompt once without head, completions with.
Operations GroupForward(const ModelConfig& c, const SpeedShape& s) {
  const double prompt = static_cast<double>(s.prompt_tokens);
  const double fresh = static_cast<double>(s.new_tokens);
  const double batch = static_cast<double>(s.batch);
  return {2 * BodyWeights(c) * (prompt + batch * fresh) + 2 * HeadWeights(c) * batch * fresh,
          AttentionFlops(c, 0, prompt) + batch * AttentionFlops(c, prompt, fresh)};
}

// Forward, and `backward` passes of the same size in float32.
double TrainSeconds(const Operations& work, double backward, std::size_t bytes_per_weight,
                    const MachinePeaks& peaks) {
  return ForwardSeconds(work, bytes_per_weight, peaks) +
         backward * work.all() / (peaks.fma_gflop_per_second * 1e9);
}

double DecodeSeconds(const SpeedShape& s, const ModelConfig& c, std::size_t bytes_per_weight,
                     const MachinePeaks& peaks) {
  const double byte_rate = peaks.read_gb_per_second * 1e9;
  const double batch = static_cast<double>(s.batch);
  const double kv_bytes = 8 * static_cast<double>(c.num_hidden_layers) *
                          static_cast<double>(c.num_key_value_heads) *
                          static_cast<double>(c.head_dim);
  double seconds = 0;
  for (std::size_t step = 0; step < s.new_tokens; ++step) {
    const double context = static_cast<double>(s.prompt_tokens + step + 1);
    const double weights = BodyWeights(c) + HeadWeights(c);
    const Operations work{batch * 2 * weights, batch * AttentionFlops(c, context - 1, 1)};
    const double bytes =
        static_cast<double>(bytes_per_weight) * weights + batch * kv_bytes * context;
    seconds += std::max(ForwardSeconds(work, bytes_per_weight, peaks), bytes / byte_rate);
  }
  return seconds;
}

}  // namespace

const char* SpeedWorkName(SpeedWork work) {
  switch (work) {
    case SpeedWork::kLoad:
      return "load";
    case SpeedWork::kPrefill:
      return "prefill";
    case SpeedWork::kDecode:
      return "decode";
    case SpeedWork::kTrain:
      return "train";
    case SpeedWork::kFullTrain:
      return "full_train";
    case SpeedWork::kGrpoStep:
      return "grpo_step";
  }
  return "";
}

std::size_t SpeedTokens(SpeedWork work, const SpeedShape& shape) {
  switch (work) {
    case SpeedWork::kLoad:
      return 0;
    case SpeedWork::kPrefill:
      return shape.prompt_tokens;
    case SpeedWork::kDecode:
      return shape.batch * shape.new_tokens;
    default:
      return shape.prompt_tokens + shape.batch * shape.new_tokens;
  }
}

double CeilingSeconds(SpeedWork work, const SpeedShape& s, const ModelConfig& c,
                      std::size_t bytes_per_weight, const MachinePeaks& peaks) {
  const double weight_seconds = static_cast<double>(bytes_per_weight) *
                                (BodyWeights(c) + HeadWeights(c)) /
                                (peaks.read_gb_per_second * 1e9);
  switch (work) {
    case SpeedWork::kLoad:
      return 0;
    case SpeedWork::kPrefill: {
      const double prompt = static_cast<double>(s.prompt_tokens);
      const Operations pass{2 * BodyWeights(c) * prompt + 2 * HeadWeights(c),
                            AttentionFlops(c, 0, prompt)};
      return std::max(ForwardSeconds(pass, bytes_per_weight, peaks), weight_seconds);
    }
    case SpeedWork::kDecode:
      return DecodeSeconds(s, c, bytes_per_weight, peaks);
    case SpeedWork::kTrain:
      return TrainSeconds(GroupForward(c, s), 1, bytes_per_weight, peaks);
    case SpeedWork::kFullTrain:
      return TrainSeconds(GroupForward(c, s), 2, bytes_per_weight, peaks);
    case SpeedWork::kGrpoStep: {
      const SpeedShape prompt{1, s.prompt_tokens, 0};
      return CeilingSeconds(SpeedWork::kPrefill, prompt, c, bytes_per_weight, peaks) +
             DecodeSeconds(s, c, bytes_per_weight, peaks) +
             TrainSeconds(GroupForward(c, s), 1, bytes_per_weight, peaks);
    }
  }
  return 0;
}

}  // namespace pawl
