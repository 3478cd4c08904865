// AdamW, clipping and schedules against PyTorch and transformers.
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "optim/adamw.h"
#include "optim/schedule.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

ScheduleConfig ConfigOf(const Json& c) {
  ScheduleConfig config;
  config.type = *ParseScheduleType(c.at("name").get<std::string>());
  config.warmup_steps = c.at("warmup").get<int>();
  const Json options = c.value("options", Json::object());
  for (const auto& [key, value] : options.items()) {
    if (key == "num_cycles") {
      config.num_cycles = value.get<double>();
      config.num_cycles_given = true;
    } else if (key == "lr_end") {
      config.lr_end = value.get<double>();
    } else if (key == "power") {
      config.power = value.get<double>();
    } else if (key == "timescale") {
      config.timescale = value.get<int>();
    } else if (key == "min_lr") {
      config.min_lr = value.get<double>();
    } else if (key == "min_lr_rate") {
      config.min_lr_rate = value.get<double>();
    } else if (key == "num_decay_steps") {
      config.num_decay_steps = value.get<int>();
    } else if (key == "num_stable_steps") {
      config.num_stable_steps = value.get<int>();
    } else if (key == "warmup_type") {
      config.warmup_type = value.get<std::string>();
    } else if (key == "decay_type") {
      config.decay_type = value.get<std::string>();
    } else if (key == "min_lr_ratio") {
      config.min_lr_ratio = value.get<double>();
    } else {
      ADD_FAILURE() << "unknown option " << key;
    }
  }
  return config;
}

TEST(Schedule, EqualsTransformersForEveryNameAndOption) {
  PAWL_NEED_SHARED();
  const auto json = ParseJson(*ReadFile(SharedDir() / "oracle/optim/schedules.json"), "schedules");
  ASSERT_TRUE(json.has_value());
  int checked = 0;
  for (const Json& c : json->at("cases")) {
    if (c.contains("error")) continue;
    const ScheduleConfig config = ConfigOf(c);
    std::optional<int> total;
    if (!c.at("total").is_null()) total = c.at("total").get<int>();
    const auto& expected = c.at("lr");
    for (int k = 0; k < static_cast<int>(expected.size()); ++k) {
      const auto rate = LearningRate(config, c.at("base_lr").get<double>(), k, total);
      ASSERT_TRUE(rate.has_value()) << rate.error().message;
      const double want = expected[static_cast<std::size_t>(k)].get<double>();
      EXPECT_NEAR(*rate, want, 1e-12 * std::fabs(want) + 1e-18)
          << WriteJson(c.at("name")) << WriteJson(c.at("options")) << " warmup " << c.at("warmup")
          << " step " << k;
    }
    ++checked;
  }
  EXPECT_GE(checked, 20);
}

TEST(AdamW, FollowsPyTorchForTenStepsOfEveryCase) {
  PAWL_NEED_SHARED();
  const auto json = ParseJson(*ReadFile(SharedDir() / "oracle/optim/adamw.json"), "adamw");
  const auto file = SafetensorsFile::Open(SharedDir() / "oracle/optim/adamw.safetensors");
  ASSERT_TRUE(json.has_value() && file.has_value());
  ThreadPool pool(1);
  for (const Json& c : json->at("cases")) {
    const std::string name = c.at("name").get<std::string>();
    const auto tensors = c.at("tensors").get<std::size_t>();
    std::vector<std::vector<float>> weights(tensors), m(tensors), v(tensors), gradients(tensors);
    std::vector<std::vector<double>> expected(tensors);
    for (std::size_t i = 0; i < tensors; ++i) {
      const std::string p = name + "/p" + std::to_string(i);
      weights[i] = *file->ReadFloats(p + ".init");
      gradients[i] = *file->ReadFloats(p + ".grads");
      expected[i] = *file->ReadDoubles(p + ".param");
      m[i].resize(weights[i].size());
      v[i].resize(weights[i].size());
    }
    for (std::size_t step = 0; step < c.at("steps").get<std::size_t>(); ++step) {
      double squares = 0;
      const auto part = [&](std::size_t i) {
        return std::span<const float>(gradients[i])
            .subspan(step * weights[i].size(), weights[i].size());
      };
      for (std::size_t i = 0; i < tensors; ++i) squares += SumOfSquares(part(i), pool);
      const double norm = std::sqrt(squares);
      EXPECT_NEAR(norm, c.at("grad_norm")[step].get<double>(), 1e-6 * (1 + norm)) << name;
      const double max_norm = c.at("max_norm").is_null() ? 0 : c.at("max_norm").get<double>();
      const auto scale = static_cast<float>(ClipFactor(norm, max_norm));
      for (std::size_t i = 0; i < tensors; ++i) {
        const Json& o = c.at("optimizer");
        const AdamWConfig config{o.at("betas")[0].get<double>(), o.at("betas")[1].get<double>(),
                                 o.at("eps").get<double>(),
                                 c.at("weight_decay_per_tensor")[i].get<double>()};
        const AdamWStep scalars = MakeAdamWStep(config, c.at("lr")[step].get<double>(),
                                                static_cast<std::int64_t>(step) + 1);
        AdamWUpdate(scalars, true, scale, weights[i], part(i), m[i], v[i]);
        const double tolerance = c.at("advised_abs_tol_for_f32").at("param").get<double>();
        for (std::size_t k = 0; k < weights[i].size(); ++k) {
          EXPECT_NEAR(static_cast<double>(weights[i][k]), expected[i][step * weights[i].size() + k],
                      tolerance)
              << name << " step " << step;
        }
      }
    }
  }
}

TEST(AdamW, DoesNotDependOnHowRangesAreCut) {
  std::vector<float> g(1000), w(1000, 1.0f), m(1000), v(1000);
  for (std::size_t i = 0; i < g.size(); ++i) g[i] = std::sin(static_cast<float>(i));
  auto w2 = w, m2 = m, v2 = v;
  const AdamWStep step = MakeAdamWStep({0.9, 0.99, 1e-8, 0.1}, 1e-3, 3);
  AdamWUpdate(step, true, 0.5f, w, g, m, v);
  for (std::size_t at = 0; at < 1000; at += 7) {
    const std::size_t n = std::min<std::size_t>(7, 1000 - at);
    AdamWUpdate(step, true, 0.5f, std::span(w2).subspan(at, n),
                std::span<const float>(g).subspan(at, n), std::span(m2).subspan(at, n),
                std::span(v2).subspan(at, n));
  }
  EXPECT_EQ(w, w2);
  EXPECT_EQ(v, v2);
}

TEST(SumOfSquares, IsTheSameForEveryThreadCount) {
  std::vector<float> values(300'001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::cos(static_cast<float>(i));
  ThreadPool one(1), three(3);
  EXPECT_EQ(SumOfSquares(values, one), SumOfSquares(values, three));
}

TEST(DecayTowards, MovesWeightsToTheirStart) {
  std::vector<float> weights{1, 2}, start{0, 4};
  DecayTowards(0.25f, start, weights);
  EXPECT_EQ(weights, (std::vector<float>{0.75f, 2.5f}));
}

TEST(Schedule, RefusesWhatTheLibraryRefusesAndNamesTheNearest) {
  EXPECT_NE(ParseScheduleType("cosin").error().message.find("\"cosine\""), std::string::npos);
  ScheduleConfig config;
  config.type = ScheduleType::kCosineWithMinLr;
  EXPECT_FALSE(LearningRate(config, 1e-3, 0, 10).has_value());
  config.type = ScheduleType::kLinear;
  EXPECT_FALSE(LearningRate(config, 1e-3, 0, std::nullopt).has_value());
  config.type = ScheduleType::kPolynomial;
  config.lr_end = 1;
  EXPECT_FALSE(LearningRate(config, 1e-3, 0, 10).has_value());
  config.type = ScheduleType::kWarmupStableDecay;
  config.decay_type = "square";
  EXPECT_FALSE(LearningRate(config, 1e-3, 0, 10).has_value());
}

}  // namespace
}  // namespace pawl
