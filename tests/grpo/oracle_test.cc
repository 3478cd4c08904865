// Losses, gradients, advantages and metrics against the outputs of TRL.
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "checkpoint/safetensors.h"
#include "grpo/debug_cases.h"
#include "support/shared_data.h"

namespace pawl {
namespace {

struct Oracle {
  Json cases;
  SafetensorsFile file;
};

Oracle OpenOracle() {
  const auto folder = SharedDir() / "oracle/grpo";
  return {ParseJson(*ReadFile(folder / "cases.json"), "cases.json")->at("cases"),
          *SafetensorsFile::Open(folder / "cases.safetensors")};
}

GrpoTables TablesOf(const SafetensorsFile& file, const std::string& name) {
  const auto floats = [&](const char* table) {
    const std::string full = name + "/" + table;
    return file.Find(full) == nullptr ? std::vector<float>() : *file.ReadFloats(full);
  };
  return {*file.ReadInts(name + "/completion_mask"),
          floats("logps"),
          floats("old_logps"),
          floats("ref_logps"),
          floats("sampling_logps"),
          floats("entropies"),
          floats("rewards")};
}

void ExpectNear(const std::vector<double>& found, const std::vector<double>& expected,
                double tolerance, const std::string& what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], tolerance) << what << " at " << i;
  }
}

// The same names, and the same values up to the float32 that the reference logs in.
void ExpectSameMetrics(const Json& found, const Json& expected, const std::string& what) {
  EXPECT_EQ(found.size(), expected.size()) << what << WriteJson(found);
  for (const auto& [name, value] : expected.items()) {
    ASSERT_TRUE(found.contains(name)) << what << name;
    const double x = found.at(name).get<double>();
    if (value.is_null()) {
      EXPECT_TRUE(std::isnan(x)) << what << name;
      continue;
    }
    EXPECT_NEAR(x, value.get<double>(), 2e-6 * (1 + std::fabs(value.get<double>())))
        << what << name;
  }
}

TEST(RunGrpoCase, GivesLossesGradientsAdvantagesAndMetricsOfTrlForEveryCase) {
  PAWL_NEED_SHARED();
  const Oracle oracle = OpenOracle();
  for (const Json& json : oracle.cases) {
    const std::string name = json.at("name").get<std::string>();
    const auto c = ParseGrpoCase(json, "cases.json");
    ASSERT_TRUE(c.has_value()) << c.error().message;
    const auto out = RunGrpoCase(*c, TablesOf(oracle.file, name));
    ASSERT_TRUE(out.has_value()) << out.error().message;
    const Json& tolerance = json.at("advised_abs_tol_for_f32");
    ExpectNear(out->advantages, *oracle.file.ReadDoubles(name + "/expected.advantages"),
               tolerance.at("advantages").get<double>(), name + " advantages");
    ExpectNear(out->grad_log_probs, *oracle.file.ReadDoubles(name + "/expected.grad_logps"),
               tolerance.at("grad_logps").get<double>(), name + " grad_logps");
    if (oracle.file.Find(name + "/expected.grad_entropies") != nullptr) {
      ExpectNear(out->grad_entropies, *oracle.file.ReadDoubles(name + "/expected.grad_entropies"),
                 1e-9, name + " grad_entropies");
    }
    const Json& micro = json.at("micro_batches");
    ASSERT_EQ(out->losses.size(), micro.size());
    for (std::size_t m = 0; m < micro.size(); ++m) {
      EXPECT_NEAR(out->losses[m], micro[m].at("loss").get<double>(),
                  tolerance.at("loss").get<double>())
          << name << " micro-batch " << m;
      ExpectSameMetrics(out->metrics[m], micro[m].at("metrics"), name + " ");
    }
    ExpectSameMetrics(out->generation_metrics, json.at("generation_metrics"), name + " ");
  }
}

TEST(RunGrpoCase, ReadsNothingOutsideTheMask) {
  PAWL_NEED_SHARED();
  const Oracle oracle = OpenOracle();
  const Json& json = oracle.cases.at(1);
  const auto c = ParseGrpoCase(json, "cases.json");
  GrpoTables tables = TablesOf(oracle.file, c->name);
  const auto before = RunGrpoCase(*c, tables);
  for (std::size_t i = 0; i < tables.mask.size(); ++i) {
    if (tables.mask[i] != 0) continue;
    tables.log_probs[i] = tables.old_log_probs[i] = std::nanf("");
    tables.ref_log_probs[i] = tables.entropies[i] = HUGE_VALF;
  }
  const auto after = RunGrpoCase(*c, tables);
  ASSERT_TRUE(after.has_value());
  EXPECT_EQ(before->losses, after->losses);
  EXPECT_EQ(before->grad_log_probs, after->grad_log_probs);
}

}  // namespace
}  // namespace pawl
