// Gradients of embedding rows and of shared prefixes: the two places where rows meet rows.
#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "model/backward.h"
#include "model/lookup.h"

namespace pawl {
namespace {

// Threads cut the columns, so that each element's sum runs over the rows in order.
constexpr std::size_t kColumnGrain = 32;

float* PanelColumn(PackedMatrix& matrix, std::size_t row) {
  return matrix.data().data() + row / kPanelColumns * matrix.k() * kPanelColumns +
         row % kPanelColumns;
}

}  // namespace

void AddLookups(const Compute& compute, std::span<const std::int32_t> ids,
                MatrixView<const float> dx, PackedMatrix& embed) {
  PAWL_CHECK(embed.type() == WeightType::kF32 && ids.size() == dx.rows());
  compute.pool.For(dx.cols(), kColumnGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = 0; t < ids.size(); ++t) {
      float* column = PanelColumn(embed, static_cast<std::size_t>(ids[t]));
      const float* row = dx.row(t);
      for (std::size_t k = begin; k < end; ++k) column[k * kPanelColumns] += row[k];
    }
  });
}

LookupGradient::LookupGradient(const ModelConfig& config)
    : width_(config.hidden_size), slot_of_id_(config.vocab_size, -1) {}

void LookupGradient::Add(const Compute& compute, std::span<const std::int32_t> ids,
                         MatrixView<const float> dx) {
  const std::size_t known = ids_.size();
  for (const std::int32_t id : ids) {
    std::int32_t& slot = slot_of_id_[static_cast<std::size_t>(id)];
    if (slot >= 0) continue;
    slot = static_cast<std::int32_t>(ids_.size());
    ids_.push_back(id);
  }
  if (ids_.size() * width_ > rows_.size()) {
    AlignedBuffer<float> larger(std::max(ids_.size(), 2 * known) * width_);
    if (known > 0) std::memcpy(larger.data(), rows_.data(), known * width_ * sizeof(float));
    rows_ = std::move(larger);
  }
  compute.pool.For(width_, kColumnGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = 0; t < ids.size(); ++t) {
      const auto slot = static_cast<std::size_t>(slot_of_id_[static_cast<std::size_t>(ids[t])]);
      float* sum = rows_.data() + slot * width_;
      const float* row = dx.row(t);
      for (std::size_t k = begin; k < end; ++k) sum[k] += row[k];
    }
  });
}

void LookupGradient::FoldInto(const Compute& compute, PackedMatrix& embed) {
  if (ids_.empty()) return;
  AddLookups(compute, ids_, {rows_.data(), ids_.size(), width_}, embed);
  std::memset(rows_.data(), 0, ids_.size() * width_ * sizeof(float));
  for (const std::int32_t id : ids_) slot_of_id_[static_cast<std::size_t>(id)] = -1;
  ids_.clear();
}

PrefixGradients::PrefixGradients(const ModelConfig& config, std::size_t positions)
    : layers_(config.num_hidden_layers), width_(config.num_key_value_heads * config.head_dim) {
  Reset(positions);
}

void PrefixGradients::Reset(std::size_t positions) {
  positions_ = positions;
  const std::size_t needed = 2 * layers_ * positions * width_;
  if (needed > data_.size()) {
    data_ = AlignedBuffer<float>(needed);
  } else {
    std::memset(data_.data(), 0, needed * sizeof(float));
  }
}

MatrixView<float> PrefixGradients::keys(std::size_t layer) {
  return {data_.data() + 2 * layer * positions_ * width_, positions_, width_};
}

MatrixView<float> PrefixGradients::values(std::size_t layer) {
  return {data_.data() + (2 * layer + 1) * positions_ * width_, positions_, width_};
}

}  // namespace pawl
