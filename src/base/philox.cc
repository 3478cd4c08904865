#include "base/philox.h"

#include "base/check.h"

namespace pawl {

PhiloxBlock Philox4x32(PhiloxBlock counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

std::array<std::uint32_t, 2> PhiloxKey(const RandomAddress& address) {
  const auto purpose = static_cast<std::uint32_t>(address.purpose);
  return {static_cast<std::uint32_t>(address.seed),
          static_cast<std::uint32_t>(address.seed >> 32) ^ (purpose * 0x9E3779B1u)};
}

PhiloxBlock RandomBlock(const RandomAddress& address, std::uint32_t position) {
  return Philox4x32({position, address.sample, static_cast<std::uint32_t>(address.item),
                     static_cast<std::uint32_t>(address.item >> 32)},
                    PhiloxKey(address));
}

std::uint32_t RandomStream::Next() {
  if (used_ == 4) {
    block_ = RandomBlock(address_, position_++);
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

std::uint32_t RandomStream::Below(std::uint32_t bound) {
  PAWL_CHECK(bound > 0);
  const std::uint32_t limit = 0xffffffffu - (0xffffffffu % bound + 1) % bound;
  for (;;) {
    const std::uint32_t x = Next();
    if (x <= limit) return x % bound;
  }
}

int RandomStream::Between(int low, int high) {
  PAWL_CHECK(low <= high);
  return low + static_cast<int>(Below(static_cast<std::uint32_t>(high - low) + 1));
}

double RandomStream::Uniform() { return (static_cast<double>(Next()) + 0.5) * 0x1p-32; }

}  // namespace pawl
