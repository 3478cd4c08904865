// Random numbers, narrow floats, hashes.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "base/bf16.h"
#include "base/philox.h"
#include "base/sha256.h"
#include "support/fault_files.h"

namespace pawl {
namespace {

// Known answers of the Random123 distribution (kat_vectors, philox4x32 10).
TEST(Philox, GivesTheKnownAnswersOfItsAuthors) {
  EXPECT_EQ(Philox4x32({0, 0, 0, 0}, {0, 0}),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffffu;
  EXPECT_EQ(Philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(Philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, EveryPartOfAnAddressChangesTheNumbers) {
  const RandomAddress base{.seed = 7, .purpose = RandomPurpose::kTest, .item = 3, .sample = 1};
  std::set<PhiloxBlock> blocks = {RandomBlock(base, 0), RandomBlock(base, 1)};
  RandomAddress other = base;
  other.seed = 8;
  blocks.insert(RandomBlock(other, 0));
  other.seed = 7 + (std::uint64_t{1} << 32);
  blocks.insert(RandomBlock(other, 0));
  other = base;
  other.purpose = RandomPurpose::kShuffle;
  blocks.insert(RandomBlock(other, 0));
  other = base;
  other.item = 3 + (std::uint64_t{1} << 32);
  blocks.insert(RandomBlock(other, 0));
  other = base;
  other.sample = 2;
  blocks.insert(RandomBlock(other, 0));
  EXPECT_EQ(blocks.size(), 7u);
}

TEST(Philox, AStreamReadsItsBlocksInOrderAndStaysWithinBounds) {
  const RandomAddress address{.seed = 1, .purpose = RandomPurpose::kTest, .item = 2, .sample = 3};
  RandomStream stream(address);
  for (std::uint32_t i = 0; i < 10; ++i) {
    EXPECT_EQ(stream.Next(), RandomBlock(address, i / 4)[i % 4]);
  }
  std::array<int, 7> counts{};
  for (int i = 0; i < 7000; ++i) ++counts[stream.Below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 1000, 150);  // 5 standard deviations
  std::set<int> seen;
  for (int i = 0; i < 200; ++i) seen.insert(stream.Between(-2, 2));
  EXPECT_EQ(seen, (std::set<int>{-2, -1, 0, 1, 2}));
  for (int i = 0; i < 1000; ++i) {
    const double x = stream.Uniform();
    EXPECT_TRUE(x > 0 && x < 1);
  }
}

// What IEEE says about 16-bit floats, written independently with ldexp.
double Reference(unsigned bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const double sign = (bits & 0x8000u) != 0 ? -1 : 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const int mantissa = static_cast<int>(bits) & ((1 << mantissa_bits) - 1);
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : sign * INFINITY;
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
}

template <class Half>
void CheckAllBits(int exponent_bits, int mantissa_bits, Half (*narrow)(float)) {
  for (unsigned bits = 0; bits < 0x10000u; ++bits) {
    const Half half{static_cast<std::uint16_t>(bits)};
    const float wide = ToFloat(half);
    const double expected = Reference(bits, exponent_bits, mantissa_bits);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(wide)) << bits;
      ASSERT_TRUE(std::isnan(ToFloat(narrow(wide)))) << bits;
      continue;
    }
    ASSERT_EQ(double{wide}, expected) << bits;
    ASSERT_EQ(std::signbit(wide), (bits & 0x8000u) != 0) << bits;
    ASSERT_EQ(narrow(wide).bits, bits);
    // Between this value and the next of larger magnitude: nearest, ties to even.
    const unsigned next = bits + 1;
    const double above = Reference(next, exponent_bits, mantissa_bits);
    if (!std::isfinite(expected) || !std::isfinite(above)) continue;
    const auto middle = static_cast<float>((expected + above) / 2);  // exact in float32
    ASSERT_EQ(narrow(middle).bits, bits % 2 == 0 ? bits : next) << bits;
    ASSERT_EQ(narrow(std::nextafter(middle, 0.0f)).bits, bits) << bits;
    ASSERT_EQ(
        narrow(std::nextafter(middle, wide < 0 || std::signbit(wide) ? -INFINITY : INFINITY)).bits,
        next)
        << bits;
  }
}

TEST(NarrowFloats, Float16WidensExactlyAndRoundsToNearestEvenForEveryBitPattern) {
  CheckAllBits<F16>(5, 10, &ToF16);
  EXPECT_EQ(ToF16(65519.996f).bits, 0x7bff);  // the largest that does not round to infinity
  EXPECT_EQ(ToF16(65520.0f).bits, 0x7c00);
  EXPECT_EQ(ToF16(-1e30f).bits, 0xfc00);
}

TEST(NarrowFloats, Bfloat16WidensExactlyAndRoundsToNearestEvenForEveryBitPattern) {
  CheckAllBits<Bf16>(8, 7, &ToBf16);
  EXPECT_EQ(ToBf16(std::numeric_limits<float>::max()).bits, 0x7f80);
  // A NaN whose upper bits alone would read as infinity stays a NaN.
  EXPECT_TRUE(std::isnan(ToFloat(ToBf16(std::bit_cast<float>(0x7f800001u)))));
}

// -ffast-math would make these checks, on which training health rests, always true.
TEST(Compilation, FiniteChecksWorkInThisBuild) {
  const volatile float zero = 0;
  const float nan = zero / zero, infinity = 1 / zero;
  EXPECT_FALSE(std::isfinite(nan));
  EXPECT_TRUE(std::isnan(nan));
  EXPECT_FALSE(nan == nan);
  EXPECT_FALSE(std::isfinite(infinity));
}

TEST(Compilation, ProductsAndSumsAreNotContracted) {
  const volatile float a = 1 + 0x1p-12f, c = -(1 + 0x1p-11f);
  EXPECT_EQ(a * a + c, 0.0f);  // the product rounds to -c first
  EXPECT_EQ(std::fma(float{a}, float{a}, float{c}), 0x1p-24f);
}

TEST(Sha256, GivesTheAnswersOfTheStandardAndReadsFilesAlike) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 pieces;
  pieces.Add("a");
  pieces.Add("bc");
  EXPECT_EQ(pieces.Hex(), Sha256Hex("abc"));
  TemporaryFolder folder;
  const std::string large(3'000'000, 'x');
  ASSERT_TRUE(WriteFileAtomic(folder / "f", large));
  EXPECT_EQ(*Sha256OfFile(folder / "f"), Sha256Hex(large));
  EXPECT_EQ(Sha256OfFile(folder / "none").error().code, ErrorCode::kUsage);
  EXPECT_EQ(Sha256OfFile(folder.path()).error().code, ErrorCode::kBadFile);
}

}  // namespace
}  // namespace pawl
