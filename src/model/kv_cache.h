// The key/value cache: pages of 64 positions with reference counts.  Completions of one group share
// the prompt's full pages; only the last, partly filled page is copied when a sequence is forked.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "checkpoint/model_config.h"
#include "kernels/attention.h"

namespace pawl {

// Owns the pages of all layers.  Not thread-safe; pages are used by kernels from many threads.
class KvCache {
 public:
  explicit KvCache(const ModelConfig& config);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  const AttentionShape& shape() const { return shape_; }
  std::size_t layers() const { return layers_; }
  std::size_t bytes() const;  // allocated so far
  std::size_t pages_in_use() const;

 private:
  friend class KvSequence;
  std::uint32_t Allocate();  // a zeroed page, reference count 1
  void Retain(std::uint32_t page);
  void Release(std::uint32_t page);
  float* Data(std::uint32_t page, std::size_t layer);

  AttentionShape shape_;
  std::size_t layers_ = 0;
  struct Pages;
  std::unique_ptr<Pages> pages_;
};

// The positions of one sequence.  Move-only; releases its pages when it goes.
class KvSequence {
 public:
  explicit KvSequence(KvCache& cache);
  ~KvSequence();
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&& other) noexcept;

  // A sequence that continues this one: full pages shared, a partly filled one copied.
  KvSequence Fork() const;
  std::size_t length() const { return length_; }
  // Makes room for positions up to length() + count and counts them as present.  Called by the
  // forward pass, which fills them.
  void Extend(std::size_t count);
  // Pages of one layer, valid until the next Extend.
  std::span<float* const> Pages(std::size_t layer) const;

 private:
  void AppendPage(std::uint32_t page);

  KvCache* cache_ = nullptr;
  std::vector<std::uint32_t> pages_;
  std::vector<std::vector<float*>> pointers_;  // [layers][pages]
  std::size_t length_ = 0;
};

}  // namespace pawl
