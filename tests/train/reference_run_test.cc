// Whole training runs against PyTorch: transformers' Trainer for SFT and TRL's GRPOTrainer, on
// fixed batches.  tests/golden/training was written by tools/reference/training.py; its JSON files
// name the versions and the seed.  Tolerances are 4 times what separates PyTorch's own float32 run
// from its float64 run (loss, gradient norm, trained weights).
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "model/adapter.h"
#include "train/trainer.h"

namespace pawl {
namespace {

using Ids = std::vector<std::int32_t>;

std::filesystem::path Golden() {
  return std::filesystem::path(PAWL_SOURCE_DIR) / "tests" / "golden" / "training";
}

Json GoldenJson(const std::string& name) {
  const auto file = Golden() / (name + ".json");
  return *ParseJson(*ReadFile(file), file.string());
}

OptimizerSettings OptimizerOf(const Json& settings) {
  OptimizerSettings optimizer;
  optimizer.learning_rate = settings["learning_rate"];
  optimizer.adamw = {settings["adam_beta1"], settings["adam_beta2"], settings["adam_epsilon"],
                     settings["weight_decay"]};
  optimizer.max_grad_norm = settings["max_grad_norm"];
  optimizer.schedule.type = *ParseScheduleType(settings["lr_scheduler_type"]);
  optimizer.schedule.warmup_steps = settings["warmup_steps"];
  return optimizer;
}

StageSettings GrpoSettings(const Json& json) {
  StageSettings settings;
  settings.optimizer = OptimizerOf(json);
  settings.per_device_train_batch_size = json["prompts_per_micro_batch"];
  settings.gradient_accumulation_steps = json["gradient_accumulation_steps"];
  settings.num_generations = json["num_generations"];
  settings.num_iterations = json["num_iterations"];
  settings.max_completion_length = json["max_completion_length"];
  settings.temperature = json["temperature"];
  settings.loss.loss_type = *ParseLossType(json["loss_type"]);
  settings.loss.beta = json["beta"];
  settings.loss.epsilon = settings.loss.epsilon_high = json["epsilon"];
  return settings;
}

// The loss and gradient norm of optimizer step `step` against the reference's.
void ExpectStep(const StepOutcome& outcome, const Json& golden, std::size_t step) {
  ASSERT_TRUE(outcome.applied) << step;
  EXPECT_NEAR(outcome.metrics["loss"].get<double>(), golden["loss"][step].get<double>(),
              golden["advised_abs_tol"]["loss"].get<double>())
      << "step " << step;
  EXPECT_NEAR(outcome.metrics["grad_norm"].get<double>(), golden["grad_norm"][step].get<double>(),
              golden["advised_abs_tol"]["grad_norm"].get<double>())
      << "step " << step;
}

void ExpectWeights(const std::vector<Parameter>& trained, const std::string& name,
                   const Json& golden) {
  const auto file = SafetensorsFile::Open(Golden() / (name + ".safetensors"));
  ASSERT_TRUE(file) << file.error().message;
  const double tolerance = golden["advised_abs_tol"]["weights"];
  std::size_t compared = 0;
  for (const Parameter& parameter : trained) {
    const auto expected = file->ReadFloats(parameter.name);
    ASSERT_TRUE(expected) << parameter.name;
    const std::vector<float> got = ReadParameter(parameter);
    ASSERT_EQ(got.size(), expected->size()) << parameter.name;
    double worst = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      worst = std::max(worst,
                       std::abs(static_cast<double>(got[i]) - static_cast<double>((*expected)[i])));
    }
    EXPECT_LE(worst, tolerance) << parameter.name;
    ++compared;
  }
  EXPECT_EQ(compared, file->tensors().size());
}

class ReferenceRun : public testing::Test {
 protected:
  ThreadPool pool_{2};
  Compute compute_{pool_};

  TrainState Start() {
    Result<Model> model = LoadModel(Golden() / "model", Precision::kF32, pool_);
    EXPECT_TRUE(model) << model.error().message;
    return {std::move(*model), {}, {}, {}, 0};
  }

  // The GRPO run `name` from `state`; reference as Trainer's.
  void RunGrpo(const std::string& name, TrainState& state, const Policy* reference) {
    const Json golden = GoldenJson(name);
    const StageSettings settings = GrpoSettings(golden["settings"]);
    const int iterations = settings.num_iterations;
    const int steps = golden["settings"]["max_steps"].get<int>() / iterations;
    const auto per_step = static_cast<std::size_t>(settings.per_device_train_batch_size *
                                                   settings.gradient_accumulation_steps);
    ASSERT_EQ(golden["groups"].size(), per_step * static_cast<std::size_t>(steps));
    Trainer trainer(state, settings, steps, {{"table"}, {1.0}}, 1, compute_);
    for (int step = 0; step < steps; ++step) {
      std::vector<PromptTask> tasks;
      std::vector<std::vector<Completion>> completions;
      std::vector<Json> groups;
      for (std::size_t t = 0; t < per_step; ++t) {
        const std::size_t at = static_cast<std::size_t>(step) * per_step + t;
        const Json& group = groups.emplace_back(golden["groups"][at]);
        tasks.push_back({std::to_string(at), group["prompt"].get<Ids>(), at});
        completions.emplace_back();
        for (const Json& one : group["completions"]) {
          completions.back().push_back({one["ids"].get<Ids>(), {}, FinishReason::kStop, 0});
        }
      }
      std::vector<std::size_t> graded(per_step, 0);
      const Grader grader = [&](std::size_t t, const Completion& completion) {
        const Json& one = groups[t]["completions"][graded[t]++];
        EXPECT_EQ(completion.ids, one["ids"].get<Ids>());
        return GradedCompletion{"", {one["reward"].get<double>()}, false};
      };
      const auto outcome =
          trainer.GrpoStepOn(tasks, std::move(completions), step, grader, reference);
      ASSERT_TRUE(outcome) << outcome.error().message;
      EXPECT_EQ(outcome->metrics["max_logp_difference"], 0.0);
      // A step's metrics are those of its last iteration.
      ExpectStep(*outcome, golden, static_cast<std::size_t>((step + 1) * iterations - 1));
    }
    EXPECT_EQ(state.optimizer_steps, steps * iterations);
    ExpectWeights(state.adapter ? AdapterTensors(*state.adapter)
                                : Parameters(state.model.config, state.model.weights),
                  name, golden);
  }
};

TEST_F(ReferenceRun, TwentySftStepsEndWherePyTorchEnds) {
  const Json golden = GoldenJson("sft");
  const Json& json = golden["settings"];
  StageSettings settings;
  settings.method = TrainMethod::kSft;
  settings.optimizer = OptimizerOf(json);
  const int steps = json["max_steps"];
  const std::size_t per_step = json["per_device_train_batch_size"].get<std::size_t>() *
                               json["gradient_accumulation_steps"].get<std::size_t>();
  TrainState state = Start();
  Trainer trainer(state, settings, steps, {}, 1, compute_);
  bool clipped = false;
  for (int step = 0; step < steps; ++step) {
    std::vector<SftDocument> documents;
    for (std::size_t d = 0; d < per_step; ++d) {
      const Json& one = golden["documents"][static_cast<std::size_t>(step) * per_step + d];
      documents.push_back({one["ids"].get<Ids>(), one["mask"].get<std::vector<float>>()});
    }
    const auto outcome = trainer.SftStep(documents, step);
    ASSERT_TRUE(outcome) << outcome.error().message;
    ExpectStep(*outcome, golden, static_cast<std::size_t>(step));
    clipped |= outcome->metrics["grad_norm"].get<double>() > settings.optimizer.max_grad_norm;
  }
  EXPECT_TRUE(clipped);
  ExpectWeights(Parameters(state.model.config, state.model.weights), "sft", golden);
}

TEST_F(ReferenceRun, TenGrpoStepsOfTwoIterationsEndWhereTrlEnds) {
  TrainState state = Start();
  const TrainState reference = Start();
  const Policy policy = reference.policy();
  RunGrpo("grpo", state, &policy);
}

TEST_F(ReferenceRun, TenGrpoStepsOnAPeftAdapterEndWhereTrlEnds) {
  TrainState state = Start();
  Result<Adapter> adapter = LoadAdapter(Golden() / "adapter", state.model.config);
  ASSERT_TRUE(adapter) << adapter.error().message;
  state.adapter = std::move(*adapter);
  RunGrpo("grpo_lora", state, nullptr);
}

}  // namespace
}  // namespace pawl
