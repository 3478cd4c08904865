// Gradients of a micro-batch: the same bits however its completions are cut into passes.
#include "train/accumulate.h"

#include <gtest/gtest.h>

#include "model/toy.h"
#include "train/trainer.h"
#include "train/update.h"

namespace pawl {
namespace {

using Ids = std::vector<std::int32_t>;

struct Batch {
  std::vector<Ids> prompts;
  std::vector<std::vector<Ids>> completions;
  std::vector<std::vector<float>> coefficients;

  explicit Batch(const ModelConfig& config) {
    for (const std::size_t prompt : {1, 9, 40}) {
      prompts.push_back(RandomIds(config, prompt, prompt));
      completions.emplace_back();
      for (const std::size_t length : {5, 31, 70, 1, 12}) {
        completions.back().push_back(RandomIds(config, length, 100 * prompt + length));
        coefficients.emplace_back();
        RandomStream stream({prompt, RandomPurpose::kTest, length, 0});
        for (std::size_t i = 0; i < length; ++i) coefficients.back().push_back(Noise(stream, 1));
      }
    }
  }

  std::vector<GroupTask> Tasks() const {
    std::vector<GroupTask> tasks;
    std::size_t next = 0;
    for (std::size_t g = 0; g < prompts.size(); ++g) {
      tasks.push_back({prompts[g], {}});
      for (const Ids& ids : completions[g]) {
        tasks.back().completions.push_back({ids, coefficients[next++], {}, {}});
      }
    }
    return tasks;
  }
};

// The trained values after one update on the batch.
std::vector<std::vector<float>> AfterOneStep(bool lora, bool tied, std::size_t slice_rows,
                                             int threads) {
  ThreadPool pool(threads);
  const Compute compute(pool);
  TrainState state{
      ToyModel(ToyConfig(ToyKind::kQwen2, tied), Precision::kF32, pool), {}, {}, {}, 0};
  if (lora) state.adapter = ToyAdapter(state.model.config, {});
  OptimizerSettings settings;
  settings.learning_rate = 1e-2;
  Updater updater(state, settings, 10, compute);
  const TrainBuffersPtr buffers = MakeTrainBuffers(state.model);
  const Batch batch(state.model.config);
  AccumulateGradients(state.policy(), compute, batch.Tasks(), {1.0f, slice_rows}, *buffers,
                      updater.gradients());
  const auto outcome = updater.Apply(0, updater.Norm());
  EXPECT_TRUE(outcome.has_value() && outcome->healthy);
  return TakeSnapshot(state).parameters;
}

TEST(Accumulate, TheBitsDoNotDependOnHowABatchIsCutIntoPassesOrThreads) {
  for (const bool lora : {true, false}) {
    for (const bool tied : {true, false}) {
      const auto whole = AfterOneStep(lora, tied, 4096, 1);
      for (const std::size_t slice_rows : {1, 40, 100}) {
        EXPECT_EQ(AfterOneStep(lora, tied, slice_rows, 2), whole)
            << "lora " << lora << " tied " << tied << " slice " << slice_rows;
      }
    }
  }
}

}  // namespace
}  // namespace pawl
