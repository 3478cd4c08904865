// Byte-pair encoding: the vocabulary, the ranked merges, and the merging of one piece.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"

namespace pawl {

// What tokenizer.json says of the model, already taken apart; texts are in the byte alphabet.
struct BpeTables {
  std::vector<std::pair<std::string, std::int64_t>> vocab;
  std::vector<std::pair<std::string, std::string>> merges;  // rank = index
  bool ignore_merges = false;  // a piece that is a vocabulary entry is that token, unmerged
};

// Remembers the ids of short pieces, 1 MiB, direct-mapped; one user at a time.
class PieceCache;

// Immutable after Build; const methods are thread-safe (each call brings its own cache).
class Bpe {
 public:
  // Ids must be distinct and from 0 to max_id; keys distinct and not empty; both sides and the
  // result of each merge in the vocabulary; each byte that UTF-8 text commonly holds needs its
  // symbol (control bytes, F1 to F3 and those that UTF-8 never holds may be missing).
  static Result<Bpe> Build(BpeTables tables, std::int64_t max_id, const std::string& place);

  Bpe(Bpe&&) noexcept;
  Bpe& operator=(Bpe&&) noexcept;
  ~Bpe();

  // Appends the ids of a piece of raw bytes.  A byte without a symbol stands for nothing.
  void EncodePiece(std::string_view piece, PieceCache* cache, std::vector<std::int32_t>* ids) const;

  // By key in the byte alphabet.
  std::optional<std::int32_t> IdOfKey(std::string_view key) const;
  std::size_t vocab_size() const { return count_; }
  bool has_all_bytes() const;
  // Calls visit(key, id) for every entry, in no particular order.
  template <class Visit>
  void ForEachEntry(Visit visit) const {
    for (const auto& [key, id] : ids_) visit(key, id);
  }
  // The id that a merge makes, for each merge.
  std::vector<std::int32_t> MergeResults() const;
  // A whole piece that equals one of these entries is merged all the same under ignore_merges.
  void ForbidWhole(std::int32_t id);

 private:
  struct MergeSlot {
    std::uint64_t pair;  // left id << 32 | right id, kNoPair if empty
    std::uint32_t rank;
    std::int32_t id;
  };
  struct Work;

  Bpe();
  Status AddVocab(const BpeTables& tables, std::int64_t max_id, const std::string& place);
  Status AddMerges(const BpeTables& tables, const std::string& place);
  const MergeSlot* FindMerge(std::int32_t left, std::int32_t right) const;
  void Merge(std::string_view piece, std::vector<std::int32_t>* ids) const;
  void MergeSmall(Work* work) const;
  void MergeLarge(Work* work) const;
  void SetPair(Work* work, std::uint32_t at) const;

  std::unique_ptr<std::vector<char>> keys_;  // all keys, one behind the other
  std::unordered_map<std::string_view, std::int32_t> ids_;
  std::unordered_map<std::string_view, std::int32_t> whole_;  // raw bytes, for ignore_merges
  std::unique_ptr<std::vector<char>> whole_bytes_;
  std::vector<MergeSlot> merges_;  // open addressing, a power of two
  std::array<std::int32_t, 256> byte_ids_{};
  std::size_t count_ = 0;
  bool ignore_merges_ = false;
};

// Lends caches to threads, so that they stay warm from call to call.
class PieceCachePool {
 public:
  PieceCachePool();
  ~PieceCachePool();
  std::unique_ptr<PieceCache> Take();
  void Return(std::unique_ptr<PieceCache> cache);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<PieceCache>> idle_;
};

}  // namespace pawl
