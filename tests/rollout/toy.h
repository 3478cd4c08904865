// A small model with flat distributions, for the tests of rollout/.
#pragma once

#include "model/toy.h"
#include "rollout/generate.h"

namespace pawl {

// The toy's embeddings made smaller: distributions with many likely tokens.
inline Model Softened(Model model) {
  Parameter embed = Parameters(model.config, model.weights)[0];
  std::vector<float> values = ReadParameter(embed);
  for (float& value : values) value *= 0.2f;
  WriteParameter(embed, values);
  return model;
}

struct ToyPolicy {
  ModelConfig config = ToyConfig(ToyKind::kQwen2, true);
  ThreadPool pool{1};
  Compute compute{pool};
  Model model = Softened(ToyModel(config, Precision::kBf16, pool));
  Policy policy() const { return {model, nullptr}; }
};

}  // namespace pawl
