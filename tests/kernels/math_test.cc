// The elementary functions against libm in long double, and the properties that others rely on.
#include "kernels/math.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/philox.h"
#include "kernels/compute.h"
#include "kernels/kernel_table.h"
#include "kernels/rope.h"

namespace pawl {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr double kInfD = std::numeric_limits<double>::infinity();

// Distance in units of the last place of a result of type T near `exact`.
template <class T>
double Ulps(T found, long double exact) {
  const T near = static_cast<T>(exact);
  const T next = std::nextafter(std::fabs(near), std::numeric_limits<T>::infinity());
  const long double unit = static_cast<long double>(next) - std::fabs(near);
  return static_cast<double>(std::fabs(static_cast<long double>(found) - exact) / unit);
}

// The largest error of `found` over `count` arguments spread evenly and at random over [low, high].
template <class T, class Found, class Exact>
double WorstUlps(T low, T high, Found found, Exact exact, int count = 100'000) {
  RandomStream stream({3, RandomPurpose::kTest, 77, 0});
  double worst = 0;
  for (int i = 0; i < count; ++i) {
    const double at = i % 2 == 0 ? static_cast<double>(i) / count : stream.Uniform();
    const T x = static_cast<T>(low + (high - low) * static_cast<T>(at));
    if (x < low || x > high) continue;
    worst = std::max(worst, Ulps<T>(found(x), exact(static_cast<long double>(x))));
  }
  return worst;
}

TEST(ExpF, IsWithinTwoUlps) {
  const auto exact = [](long double x) { return std::exp(x); };
  EXPECT_LT(WorstUlps<float>(-87.0f, 88.7f, ExpF, exact), 2);
  EXPECT_LT(WorstUlps<float>(-1.0f, 1.0f, ExpF, exact), 2);
  EXPECT_LT(WorstUlps<float>(-103.0f, -87.5f, ExpF, exact), 2);  // subnormal results
}

TEST(ExpF, KeepsItsPromisesAtTheEnds) {
  EXPECT_EQ(ExpF(0.0f), 1.0f);
  EXPECT_EQ(ExpF(-0.0f), 1.0f);
  EXPECT_EQ(ExpF(-kInf), 0.0f);
  EXPECT_EQ(ExpF(-1e30f), 0.0f);
  EXPECT_EQ(ExpF(-150.0f), 0.0f);
  EXPECT_EQ(ExpF(kInf), kInf);
  EXPECT_EQ(ExpF(89.0f), kInf);
  EXPECT_TRUE(std::isnan(ExpF(std::nanf(""))));
}

TEST(LogF, IsWithinTwoUlps) {
  const auto exact = [](long double x) { return std::log(x); };
  EXPECT_LT(WorstUlps<float>(0.5f, 2.0f, LogF, exact), 2);
  EXPECT_LT(WorstUlps<float>(1e-6f, 1.0f, LogF, exact), 2);
  EXPECT_LT(WorstUlps<float>(1.0f, 1e30f, LogF, exact), 2);
  EXPECT_LT(WorstUlps<float>(1e-44f, 1e-38f, LogF, exact), 2);  // subnormal arguments
}

TEST(LogF, KeepsItsPromisesAtTheEnds) {
  EXPECT_EQ(LogF(1.0f), 0.0f);
  EXPECT_EQ(LogF(0.0f), -kInf);
  EXPECT_EQ(LogF(kInf), kInf);
  EXPECT_TRUE(std::isnan(LogF(-1.0f)));
  EXPECT_TRUE(std::isnan(LogF(std::nanf(""))));
}

TEST(SigmoidF, IsWithinThreeUlps) {
  const auto exact = [](long double x) { return 1 / (1 + std::exp(-x)); };
  EXPECT_LT(WorstUlps<float>(-80.0f, 80.0f, SigmoidF, exact), 3);
  EXPECT_EQ(SigmoidF(0.0f), 0.5f);
  EXPECT_EQ(SigmoidF(kInf), 1.0f);
  EXPECT_EQ(SigmoidF(-kInf), 0.0f);
}

TEST(Log1pNegF, IsWithinThreeUlps) {
  const auto exact = [](long double u) { return std::log1p(-u); };
  EXPECT_LT(WorstUlps<float>(0x1p-33f, 1e-3f, Log1pNegF, exact), 3);
  EXPECT_LT(WorstUlps<float>(1e-3f, 0.999f, Log1pNegF, exact), 3);
  EXPECT_EQ(Log1pNegF(0x1p-33f), -0x1p-33f);
  EXPECT_TRUE(std::isfinite(Log1pNegF(1.0f)));  // a u that was rounded up to 1
}

TEST(DoubleFunctions, AreWithinTwoUlpsWhereTheyAreUsed) {
  EXPECT_LT(WorstUlps<double>(-700.0, 700.0, ExpD, [](long double x) { return std::exp(x); }), 2);
  EXPECT_LT(WorstUlps<double>(-1.0, 1.0, ExpD, [](long double x) { return std::exp(x); }), 2);
  EXPECT_LT(WorstUlps<double>(1e-300, 10.0, LogD, [](long double x) { return std::log(x); }), 2);
  EXPECT_LT(WorstUlps<double>(0.7, 1.5, LogD, [](long double x) { return std::log(x); }), 2);
  for (const double limit : {1.0, 100.0, 1048576.0}) {
    EXPECT_LT(WorstUlps<double>(-limit, limit, SinD, [](long double x) { return std::sin(x); }), 2);
    EXPECT_LT(WorstUlps<double>(-limit, limit, CosD, [](long double x) { return std::cos(x); }), 2);
  }
  const auto power = [](long double y) { return std::pow(1e6L, y); };
  EXPECT_LT(WorstUlps<double>(
                -1.0, 0.0, [](double y) { return PowD(1e6, y); }, power),
            2);
  const auto decay = [](long double y) { return std::pow(static_cast<long double>(0.999), y); };
  EXPECT_LT(WorstUlps<double>(
                1.0, 20000.0, [](double y) { return PowD(0.999, y); }, decay),
            2);
}

TEST(DoubleFunctions, KeepTheirPromisesAtTheEnds) {
  EXPECT_EQ(ExpD(0), 1);
  EXPECT_EQ(ExpD(-kInfD), 0);
  EXPECT_EQ(ExpD(kInfD), kInfD);
  EXPECT_EQ(ExpD(1000), kInfD);
  EXPECT_EQ(ExpD(-800), 0);
  EXPECT_GT(ExpD(-744), 0);  // subnormal
  EXPECT_EQ(LogD(1), 0);
  EXPECT_EQ(LogD(0), -kInfD);
  EXPECT_TRUE(std::isnan(LogD(-1)));
  EXPECT_EQ(SinD(0), 0);
  EXPECT_EQ(CosD(0), 1);
  EXPECT_TRUE(std::isnan(SinD(kInfD)));
  EXPECT_EQ(PowD(7, 0), 1);
  EXPECT_EQ(PowD(1, 123), 1);
  EXPECT_EQ(PowD(2, 10), 1024);
  EXPECT_EQ(PowD(0, 2), 0);
  EXPECT_TRUE(std::isnan(PowD(-2, 0.5)));
}

TEST(VectorFunctions, EqualTheScalarOnesBitForBit) {
  RandomStream stream({4, RandomPurpose::kTest, 5, 0});
  std::vector<float> x = {0.0f,   -0.0f, kInf,  -kInf,  1.0f,   -1.0f,   1e-45f,
                          1e-38f, 88.7f, 89.5f, -86.9f, -88.0f, -103.9f, -104.5f};
  while (x.size() < 4099) {  // any finite bits, then likely ones
    const std::uint32_t bits = stream.Next();
    float value;
    std::memcpy(&value, &bits, sizeof value);
    if (x.size() % 2 == 0) value = static_cast<float>(200 * stream.Uniform() - 100);
    if (std::isfinite(value)) x.push_back(value);
  }
  for (const Isa isa : SupportedIsas()) {
    std::vector<float> exp(x.size()), log(x.size());
    KernelsFor(isa).exp(x.data(), exp.data(), x.size());
    KernelsFor(isa).log(x.data(), log.data(), x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      EXPECT_EQ(exp[i], ExpF(x[i])) << IsaName(isa) << " " << x[i];
      if (x[i] < 0) {
        EXPECT_TRUE(std::isnan(log[i])) << IsaName(isa) << " " << x[i];
      } else {
        EXPECT_EQ(log[i], LogF(x[i])) << IsaName(isa) << " " << x[i];
      }
    }
  }
}

TEST(RopeTable, HoldsTheRoundedCosinesAndSinesOfFloatAngles) {
  const std::vector<float> frequencies = {1.0f, 0.31622776f, 0.001f, 3.1e-7f};
  const RopeTable table = MakeRopeTable(frequencies, 5000);
  ASSERT_EQ(table.positions, 5000u);
  for (const std::size_t p : {0u, 1u, 2u, 63u, 1000u, 4999u}) {
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
      const long double angle = static_cast<float>(p) * frequencies[i];
      // Half a unit of rounding and a little: the double below it is within 2 of its own units.
      EXPECT_LT(Ulps(table.cos[p * 4 + i], std::cos(angle)), 0.50001);
      EXPECT_LT(Ulps(table.sin[p * 4 + i], std::sin(angle)), 0.50001);
    }
  }
}

}  // namespace
}  // namespace pawl
