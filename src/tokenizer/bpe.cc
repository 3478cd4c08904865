#include "tokenizer/bpe.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>

#include "base/check.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/piece_cache.h"

namespace pawl {
namespace {

constexpr std::uint64_t kNoPair = ~std::uint64_t{0};
constexpr std::uint32_t kNoRank = ~std::uint32_t{0};
constexpr std::uint32_t kEnd = ~std::uint32_t{0};
constexpr std::size_t kSmallPiece = 48;  // symbols; below, scanning beats a heap

std::uint64_t PairOf(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

std::size_t HashPair(std::uint64_t pair) {
  pair *= 0x9E3779B97F4A7C15u;
  return static_cast<std::size_t>(pair ^ (pair >> 32));
}

// Bytes that a vocabulary trained on text may lack: control bytes and leads of rare or no planes.
bool MayBeMissing(unsigned byte) {
  if (byte < 0x20) return byte != '\t' && byte != '\n' && byte != '\r';
  return byte == 0x7F || byte == 0xC0 || byte == 0xC1 || (byte >= 0xF1 && byte != 0xF4);
}

}  // namespace

// A piece as a linked list of symbols; pair_* describe the merge of a symbol with its successor.
struct Bpe::Work {
  std::vector<std::int32_t> id;
  std::vector<std::uint32_t> previous, next;
  std::vector<std::uint32_t> pair_rank;
  std::vector<std::int32_t> pair_id;
  std::vector<std::uint64_t> heap;  // rank << 32 | position: leftmost first among equals
};

Bpe::Bpe() = default;
Bpe::Bpe(Bpe&&) noexcept = default;
Bpe& Bpe::operator=(Bpe&&) noexcept = default;
Bpe::~Bpe() = default;

Result<Bpe> Bpe::Build(BpeTables tables, std::int64_t max_id, const std::string& place) {
  Bpe bpe;
  bpe.ignore_merges_ = tables.ignore_merges;
  PAWL_TRY(bpe.AddVocab(tables, max_id, place + ".vocab"));
  PAWL_TRY(bpe.AddMerges(tables, place + ".merges"));
  return bpe;
}

Status Bpe::AddVocab(const BpeTables& tables, std::int64_t max_id, const std::string& place) {
  std::size_t bytes = 0;
  for (const auto& [key, id] : tables.vocab) bytes += key.size();
  keys_ = std::make_unique<std::vector<char>>();
  keys_->reserve(bytes);
  count_ = tables.vocab.size();
  ids_.reserve(count_);
  std::vector<bool> seen(static_cast<std::size_t>(max_id) + 1);
  for (const auto& [key, id] : tables.vocab) {
    if (key.empty()) return BadFile(place + ": an entry is empty, expected at least one character");
    if (id < 0 || id > max_id) {
      return BadFile(fmt::format("{}: \"{}\" has id {}, expected 0 to {} without gaps", place, key,
                                 id, max_id));
    }
    if (seen[static_cast<std::size_t>(id)]) {
      return BadFile(fmt::format("{}: id {} occurs twice (\"{}\")", place, id, key));
    }
    seen[static_cast<std::size_t>(id)] = true;
    const std::size_t start = keys_->size();
    keys_->insert(keys_->end(), key.begin(), key.end());
    const std::string_view stored(keys_->data() + start, key.size());
    if (!ids_.emplace(stored, static_cast<std::int32_t>(id)).second) {
      return BadFile(fmt::format("{}: \"{}\" occurs twice", place, key));
    }
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char raw = static_cast<char>(byte);
    const auto id = IdOfKey(ToByteAlphabet({&raw, 1}));
    if (!id && !MayBeMissing(byte)) {
      return BadFile(
          fmt::format("{}: the symbol \"{}\" of byte 0x{:02X} is missing; a byte-level "
                      "vocabulary needs it",
                      place, ToByteAlphabet({&raw, 1}), byte));
    }
    byte_ids_[byte] = id.value_or(-1);
  }
  if (!ignore_merges_) return {};
  whole_bytes_ = std::make_unique<std::vector<char>>();
  whole_bytes_->reserve(bytes);
  whole_.reserve(count_);
  for (const auto& [key, id] : ids_) {
    const auto raw = FromByteAlphabet(key);
    if (!raw) continue;
    const std::size_t start = whole_bytes_->size();
    whole_bytes_->insert(whole_bytes_->end(), raw->begin(), raw->end());
    whole_.emplace(std::string_view(whole_bytes_->data() + start, raw->size()), id);
  }
  return {};
}

Status Bpe::AddMerges(const BpeTables& tables, const std::string& place) {
  if (tables.merges.size() >= kNoRank / 4) return BadFile(place + ": too many merges");
  merges_.assign(std::bit_ceil(tables.merges.size() * 2 + 2), {kNoPair, 0, 0});
  const std::size_t mask = merges_.size() - 1;
  std::string joined;
  for (std::size_t rank = 0; rank < tables.merges.size(); ++rank) {
    const auto& [left, right] = tables.merges[rank];
    if (left.empty() || right.empty()) {
      return BadFile(
          fmt::format("{}[{}]: a side is empty; the merge would never end", place, rank));
    }
    joined = left + right;
    const std::string* const parts[] = {&left, &right, &joined};
    std::int32_t ids[3];
    for (int i = 0; i < 3; ++i) {
      const auto id = IdOfKey(*parts[i]);
      if (!id) {
        return BadFile(
            fmt::format("{}[{}]: \"{}\" is not in the vocabulary, expected both sides "
                        "and the result of \"{}\" + \"{}\" there",
                        place, rank, *parts[i], left, right));
      }
      ids[i] = *id;
    }
    const std::uint64_t pair = PairOf(ids[0], ids[1]);
    std::size_t slot = HashPair(pair) & mask;
    while (merges_[slot].pair != kNoPair && merges_[slot].pair != pair) slot = (slot + 1) & mask;
    if (merges_[slot].pair == pair) {
      return BadFile(fmt::format("{}[{}]: \"{}\" + \"{}\" occurs twice, first at {}", place, rank,
                                 left, right, merges_[slot].rank));
    }
    merges_[slot] = {pair, static_cast<std::uint32_t>(rank), ids[2]};
  }
  return {};
}

const Bpe::MergeSlot* Bpe::FindMerge(std::int32_t left, std::int32_t right) const {
  const std::uint64_t pair = PairOf(left, right);
  const std::size_t mask = merges_.size() - 1;
  for (std::size_t slot = HashPair(pair) & mask;; slot = (slot + 1) & mask) {
    if (merges_[slot].pair == pair) return &merges_[slot];
    if (merges_[slot].pair == kNoPair) return nullptr;
  }
}

std::optional<std::int32_t> Bpe::IdOfKey(std::string_view key) const {
  const auto it = ids_.find(key);
  if (it == ids_.end()) return std::nullopt;
  return it->second;
}

bool Bpe::has_all_bytes() const {
  return std::all_of(byte_ids_.begin(), byte_ids_.end(), [](std::int32_t id) { return id >= 0; });
}

std::vector<std::int32_t> Bpe::MergeResults() const {
  std::vector<std::int32_t> results;
  for (const MergeSlot& slot : merges_) {
    if (slot.pair != kNoPair) results.push_back(slot.id);
  }
  return results;
}

void Bpe::ForbidWhole(std::int32_t id) {
  std::erase_if(whole_, [&](const auto& entry) { return entry.second == id; });
}

void Bpe::EncodePiece(std::string_view piece, PieceCache* cache,
                      std::vector<std::int32_t>* ids) const {
  if (piece.size() == 1) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(piece[0])];
    if (id >= 0) ids->push_back(id);
    return;
  }
  if (cache->Find(piece, ids)) return;
  const std::size_t before = ids->size();
  const auto whole = ignore_merges_ ? whole_.find(piece) : whole_.end();
  if (whole != whole_.end()) {
    ids->push_back(whole->second);
  } else {
    Merge(piece, ids);
  }
  cache->Put(piece, std::span<const std::int32_t>(*ids).subspan(before));
}

void Bpe::Merge(std::string_view piece, std::vector<std::int32_t>* ids) const {
  PAWL_CHECK(piece.size() < kEnd);
  Work work;
  work.id.reserve(piece.size());
  for (const char byte : piece) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
    if (id >= 0) work.id.push_back(id);
  }
  if (work.id.empty()) return;
  const auto count = static_cast<std::uint32_t>(work.id.size());
  work.previous.resize(count);
  work.next.resize(count);
  work.pair_rank.resize(count);
  work.pair_id.resize(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    work.previous[i] = i == 0 ? kEnd : i - 1;
    work.next[i] = i + 1 == count ? kEnd : i + 1;
  }
  for (std::uint32_t i = 0; i < count; ++i) SetPair(&work, i);
  if (count <= kSmallPiece) {
    MergeSmall(&work);
  } else {
    MergeLarge(&work);
  }
  for (std::uint32_t i = 0; i != kEnd; i = work.next[i]) ids->push_back(work.id[i]);
}

void Bpe::SetPair(Work* work, std::uint32_t at) const {
  const std::uint32_t next = work->next[at];
  const MergeSlot* merge = next == kEnd ? nullptr : FindMerge(work->id[at], work->id[next]);
  work->pair_rank[at] = merge == nullptr ? kNoRank : merge->rank;
  work->pair_id[at] = merge == nullptr ? 0 : merge->id;
}

namespace {

// Joins the symbol at `at` with its successor, which leaves the list.
template <class WorkT>
void Join(WorkT* work, std::uint32_t at) {
  const std::uint32_t gone = work->next[at];
  work->id[at] = work->pair_id[at];
  work->next[at] = work->next[gone];
  if (work->next[gone] != kEnd) work->previous[work->next[gone]] = at;
  work->pair_rank[gone] = kNoRank;
}

}  // namespace

void Bpe::MergeSmall(Work* work) const {
  for (;;) {
    std::uint32_t best = 0, best_rank = kNoRank;
    for (std::uint32_t i = 0; i != kEnd; i = work->next[i]) {
      if (work->pair_rank[i] < best_rank) {
        best_rank = work->pair_rank[i];
        best = i;
      }
    }
    if (best_rank == kNoRank) return;
    Join(work, best);
    SetPair(work, best);
    if (work->previous[best] != kEnd) SetPair(work, work->previous[best]);
  }
}

void Bpe::MergeLarge(Work* work) const {
  const auto push = [&](std::uint32_t at) {
    if (work->pair_rank[at] == kNoRank) return false;
    work->heap.push_back(static_cast<std::uint64_t>(work->pair_rank[at]) << 32 | at);
    return true;
  };
  const std::greater<> smallest_first;
  for (std::uint32_t i = 0; i != kEnd; i = work->next[i]) push(i);
  std::make_heap(work->heap.begin(), work->heap.end(), smallest_first);
  while (!work->heap.empty()) {
    std::pop_heap(work->heap.begin(), work->heap.end(), smallest_first);
    const std::uint64_t top = work->heap.back();
    work->heap.pop_back();
    const auto at = static_cast<std::uint32_t>(top);
    if (work->pair_rank[at] != top >> 32) continue;  // the pair changed since it was pushed
    Join(work, at);
    for (const std::uint32_t changed : {at, work->previous[at]}) {
      if (changed == kEnd) continue;
      SetPair(work, changed);
      if (push(changed)) {
        std::push_heap(work->heap.begin(), work->heap.end(), smallest_first);
      }
    }
  }
}

PieceCachePool::PieceCachePool() = default;
PieceCachePool::~PieceCachePool() = default;

std::unique_ptr<PieceCache> PieceCachePool::Take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto cache = std::move(idle_.back());
      idle_.pop_back();
      return cache;
    }
  }
  return std::make_unique<PieceCache>();
}

void PieceCachePool::Return(std::unique_ptr<PieceCache> cache) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(cache));
}

}  // namespace pawl
