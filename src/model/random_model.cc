#include <cmath>

#include "base/philox.h"
#include "model/inv_freq.h"
#include "model/model.h"
#include "model/panels.h"

namespace pawl {
namespace {

constexpr std::size_t kBlockRows = 256;
// Mean and variance of a sum of eight uniform bytes: 8 * 255 / 2 and 8 * (256^2 - 1) / 12.
constexpr int kByteSumMean = 1020;
constexpr double kByteSumVariance = 43690.0;

int ByteSum(std::uint32_t word) {
  const std::uint32_t pairs = (word & 0x00ff00ffu) + ((word >> 8) & 0x00ff00ffu);
  return static_cast<int>((pairs & 0xffffu) + (pairs >> 16));
}

// Fills values[i] with numbers first + i of the stream; two numbers a block.
void FillNormal(const RandomAddress& address, std::size_t first, float step,
                std::span<float> values) {
  PhiloxBlock block{};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t number = first + i;
    if (i == 0 || number % 2 == 0) {
      block = RandomBlock(address, static_cast<std::uint32_t>(number / 2));
    }
    const std::size_t word = 2 * (number % 2);
    const int sum = ByteSum(block[word]) + ByteSum(block[word + 1]) - kByteSumMean;
    values[i] = static_cast<float>(sum) * step;
  }
}

double StandardDeviation(const Parameter& parameter, const ModelConfig& config) {
  const std::string& name = parameter.name;
  if (name.ends_with("embed_tokens.weight")) return 0.02;
  const double fan_in = 1.0 / std::sqrt(static_cast<double>(parameter.shape[1]));
  if (name.ends_with("o_proj.weight") || name.ends_with("down_proj.weight")) {
    return fan_in / std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers));
  }
  return fan_in;
}

}  // namespace

Model MakeRandomModel(const ModelConfig& config, Precision precision, std::uint64_t seed,
                      ThreadPool& pool, std::size_t max_positions) {
  Model model;
  model.config = config;
  const WeightType type = precision == Precision::kInt8   ? WeightType::kInt8
                          : precision == Precision::kBf16 ? WeightType::kBf16
                                                          : WeightType::kF32;
  model.weights = MakeWeights(config, type);
  const std::vector<Parameter> parameters = Parameters(config, model.weights);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& parameter = parameters[i];
    if (parameter.matrix == nullptr) {
      const bool bias = parameter.name.ends_with(".bias");
      std::fill(parameter.vector.begin(), parameter.vector.end(), bias ? 0.0f : 1.0f);
      continue;
    }
    const RandomAddress address{seed, RandomPurpose::kInitialise, i, 0};
    const auto step =
        static_cast<float>(StandardDeviation(parameter, config) / std::sqrt(kByteSumVariance));
    const std::size_t cols = parameter.shape[1];
    ForEachRowBlock(pool, parameter, kBlockRows, [&](std::size_t first, std::size_t count) {
      std::vector<float> rows(count * cols);
      FillNormal(address, first * cols, step, rows);
      parameter.matrix->SetRows(parameter.row_begin + first, {rows.data(), count, cols});
    });
  }
  FinishModel(model, max_positions);
  return model;
}

}  // namespace pawl
