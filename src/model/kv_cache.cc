#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace pawl {
namespace {

// Pages are cut from slabs of about this size, so that small models do not allocate thousands of
// buffers and large ones get pages of 2 MiB from the system.
constexpr std::size_t kSlabBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxSlabPages = 64;

}  // namespace

struct KvCache::Pages {
  std::size_t page_floats = 0;  // of all layers
  std::size_t slab_pages = 1;
  std::vector<AlignedBuffer<float>> slabs;
  std::vector<std::uint32_t> references;  // per page, 0: free
  std::vector<bool> used_before;          // needs zeroing when handed out again
  std::vector<std::uint32_t> free;        // last one out first

  float* Data(std::uint32_t page) {
    return slabs[page / slab_pages].data() + (page % slab_pages) * page_floats;
  }
};

KvCache::KvCache(const ModelConfig& config)
    : shape_{config.num_attention_heads, config.num_key_value_heads, config.head_dim},
      layers_(config.num_hidden_layers),
      pages_(std::make_unique<Pages>()) {
  pages_->page_floats = shape_.page_floats() * layers_;
  const std::size_t page_bytes = pages_->page_floats * sizeof(float);
  pages_->slab_pages = std::clamp<std::size_t>(kSlabBytes / page_bytes, 1, kMaxSlabPages);
}

KvCache::~KvCache() = default;

std::size_t KvCache::bytes() const {
  return pages_->references.size() * pages_->page_floats * sizeof(float);
}

std::size_t KvCache::pages_in_use() const {
  return pages_->references.size() - pages_->free.size();
}

std::uint32_t KvCache::Allocate() {
  Pages& pages = *pages_;
  if (pages.free.empty()) {
    const std::size_t first = pages.references.size();
    pages.slabs.emplace_back(pages.slab_pages * pages.page_floats);
    pages.references.resize(first + pages.slab_pages, 0);
    pages.used_before.resize(first + pages.slab_pages, false);
    for (std::size_t i = pages.slab_pages; i > 0; --i) {
      pages.free.push_back(static_cast<std::uint32_t>(first + i - 1));
    }
  }
  const std::uint32_t page = pages.free.back();
  pages.free.pop_back();
  if (pages.used_before[page]) {
    std::memset(pages.Data(page), 0, pages.page_floats * sizeof(float));
  }
  pages.used_before[page] = true;
  pages.references[page] = 1;
  return page;
}

void KvCache::Retain(std::uint32_t page) { ++pages_->references[page]; }

void KvCache::Release(std::uint32_t page) {
  PAWL_CHECK(pages_->references[page] > 0);
  if (--pages_->references[page] == 0) pages_->free.push_back(page);
}

float* KvCache::Data(std::uint32_t page, std::size_t layer) {
  return pages_->Data(page) + layer * shape_.page_floats();
}

KvSequence::KvSequence(KvCache& cache) : cache_(&cache), pointers_(cache.layers()) {}

KvSequence::~KvSequence() {
  for (const std::uint32_t page : pages_) cache_->Release(page);
}

KvSequence::KvSequence(KvSequence&& other) noexcept
    : cache_(other.cache_),
      pages_(std::exchange(other.pages_, {})),
      pointers_(std::exchange(other.pointers_, {})),
      length_(std::exchange(other.length_, 0)) {}

KvSequence& KvSequence::operator=(KvSequence&& other) noexcept {
  std::swap(cache_, other.cache_);
  std::swap(pages_, other.pages_);
  std::swap(pointers_, other.pointers_);
  std::swap(length_, other.length_);
  return *this;
}

void KvSequence::AppendPage(std::uint32_t page) {
  pages_.push_back(page);
  for (std::size_t layer = 0; layer < pointers_.size(); ++layer) {
    pointers_[layer].push_back(cache_->Data(page, layer));
  }
}

KvSequence KvSequence::Fork() const {
  KvSequence fork(*cache_);
  const std::size_t full = length_ / kPagePositions;
  for (std::size_t i = 0; i < full; ++i) {
    cache_->Retain(pages_[i]);
    fork.AppendPage(pages_[i]);
  }
  if (full < pages_.size()) {
    const std::uint32_t copy = cache_->Allocate();
    std::memcpy(cache_->Data(copy, 0), cache_->Data(pages_[full], 0),
                cache_->shape().page_floats() * cache_->layers() * sizeof(float));
    fork.AppendPage(copy);
  }
  fork.length_ = length_;
  return fork;
}

void KvSequence::Extend(std::size_t count) {
  length_ += count;
  while (pages_.size() * kPagePositions < length_) AppendPage(cache_->Allocate());
}

std::span<float* const> KvSequence::Pages(std::size_t layer) const { return pointers_[layer]; }

}  // namespace pawl
