// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011).  A number is a pure function of what is drawn, never of
// which thread draws it or what was drawn before.
#pragma once

#include <array>
#include <cstdint>

namespace pawl {

// What a stream of numbers is for.  Values are part of the results: append, never renumber.
enum class RandomPurpose : std::uint32_t {
  kSampling = 1,    // Gumbel noise of sampled tokens
  kInitialise = 2,  // weights
  kShuffle = 3,     // order of problems
  kGenerator = 4,   // synthetic problems
  kLora = 5,        // adapter initialisation
  kSynthetic = 6,   // random models for `speed`
  kTest = 7,
};

using PhiloxBlock = std::array<std::uint32_t, 4>;

// One block of four 32-bit numbers for a 128-bit counter and a 64-bit key.
PhiloxBlock Philox4x32(PhiloxBlock counter, std::array<std::uint32_t, 2> key);

// The address of a stream: (seed, purpose, a, b); numbers in it are counted by position.
struct RandomAddress {
  std::uint64_t seed = 0;
  RandomPurpose purpose = RandomPurpose::kTest;
  std::uint64_t item = 0;    // problem, tensor or line; for sampling: index of the prompt
  std::uint32_t sample = 0;  // completion or repetition
};

// Counter layout: {position, sample, item low, item high}; key: {seed low, seed high ^ purpose
// mixed}.  One block serves four consecutive numbers: number i is word i % 4 of block i / 4.
std::array<std::uint32_t, 2> PhiloxKey(const RandomAddress& address);
PhiloxBlock RandomBlock(const RandomAddress& address, std::uint32_t position);

// A sequential reader of one address, for code where numbers are few: generators, shuffles.
class RandomStream {
 public:
  explicit RandomStream(RandomAddress address) : address_(address) {}
  std::uint32_t Next();
  // Uniform in [0, bound), without bias (rejection).  bound > 0.
  std::uint32_t Below(std::uint32_t bound);
  // Uniform in [low, high], both included.
  int Between(int low, int high);
  // Uniform in (0, 1): (x + 0.5) / 2^32.
  double Uniform();
  bool Chance(double probability) { return Uniform() < probability; }

 private:
  RandomAddress address_;
  std::uint32_t position_ = 0;
  int used_ = 4;
  PhiloxBlock block_{};
};

}  // namespace pawl
