// The ids of short pieces seen before: a direct-mapped table of 2^14 slots of 64 bytes.  A newer
// piece takes the slot of an older one, so its size is fixed and its content never changes a
// result.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace pawl {

class PieceCache {
 public:
  PieceCache() : slots_(kSlots) {}

  // Appends the ids of piece if they are known.
  bool Find(std::string_view piece, std::vector<std::int32_t>* ids) const {
    if (piece.size() > kMaxBytes) return false;
    const Slot& slot = slots_[IndexOf(piece)];
    if (slot.length != piece.size() || std::memcmp(slot.bytes, piece.data(), piece.size()) != 0) {
      return false;
    }
    ids->insert(ids->end(), slot.ids, slot.ids + slot.count);
    return true;
  }

  void Put(std::string_view piece, std::span<const std::int32_t> ids) {
    if (piece.empty() || piece.size() > kMaxBytes || ids.size() > kMaxIds) return;
    Slot& slot = slots_[IndexOf(piece)];
    slot.length = static_cast<std::uint8_t>(piece.size());
    slot.count = static_cast<std::uint8_t>(ids.size());
    std::memcpy(slot.bytes, piece.data(), piece.size());
    if (!ids.empty()) std::memcpy(slot.ids, ids.data(), ids.size_bytes());
  }

 private:
  static constexpr std::size_t kSlots = std::size_t{1} << 14;
  static constexpr std::size_t kMaxBytes = 34;
  static constexpr std::size_t kMaxIds = 7;
  struct Slot {
    std::uint8_t length = 0, count = 0;  // length 0: empty
    char bytes[kMaxBytes];
    std::int32_t ids[kMaxIds];
  };

  static std::size_t IndexOf(std::string_view piece) {
    std::uint64_t hash = piece.size();
    while (!piece.empty()) {
      std::uint64_t word = 0;
      const std::size_t n = piece.size() < 8 ? piece.size() : 8;
      std::memcpy(&word, piece.data(), n);
      hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
      piece.remove_prefix(n);
    }
    return static_cast<std::size_t>(hash * 0xD1B54A32D192ED03u >> 50);
  }

  std::vector<Slot> slots_;
};

}  // namespace pawl
