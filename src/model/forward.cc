#include "model/forward.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "model/activations.h"
#include "model/lora.h"
#include "model/rows.h"
#include "model/workers.h"

namespace pawl {
namespace {

// Below this size of all layers' weights every thread may read all of them from its caches, and a
// batch of many sequences is cut by sequences: one wake-up of the threads a pass instead of some
// twenty a layer.
constexpr std::size_t kSmallModelBytes = std::size_t{16} << 20;

// Where the activations of one layer go: scratch, or rows of SavedLayer.
struct LayerViews {
  MatrixView<float> input, qkv, attention, softmax, middle, gate_up, lora_u, output;
  std::span<float> input_rstd, middle_rstd;
};

struct Pass {
  const Policy& policy;
  const Compute& compute;
  Scratch::Buffers& buffers;
  std::size_t rows;
  std::size_t head_dim, query, qkv;

  LoraBranch Branch(std::size_t layer, LoraGroup group) const {
    const Adapter* adapter = policy.adapter;
    if (adapter == nullptr) return {};
    return {&adapter->layers[layer], adapter->scale, group};
  }
};

std::span<float> RowsOf(RowBuffer& one_row, std::size_t begin, std::size_t count) {
  return one_row.view().row_span(0).subspan(begin, count);
}

// Head norms, rotation, the cache, attention.  v.qkv holds the raw products; without q/k norms it
// is rotated in place, with them a copy is, because the backward pass needs what went into the
// norms.
void Attend(const Pass& pass, std::size_t layer, const LayerViews& v) {
  const ModelConfig& config = pass.policy.model.config;
  const LayerWeights& weights = pass.policy.model.weights.layers[layer];
  const std::size_t heads = config.num_attention_heads, kv_heads = config.num_key_value_heads;
  const std::size_t kv = kv_heads * config.head_dim;
  MatrixView<float> qkv = v.qkv;
  if (config.qk_norm) {
    MatrixView<float> copy = pass.buffers.qkv.Shape(pass.rows, pass.qkv);
    if (copy.data() != qkv.data()) CopyRows(pass.compute, qkv, copy);
    qkv = copy;
    HeadNormForward(pass.compute, qkv.Cols(0, pass.query), heads, weights.q_norm.span(),
                    config.rms_norm_eps, {});
    HeadNormForward(pass.compute, qkv.Cols(pass.query, kv), kv_heads, weights.k_norm.span(),
                    config.rms_norm_eps, {});
  }
  RopeForward(pass.compute, pass.policy.model.rope, pass.buffers.positions, heads + kv_heads,
              qkv.Cols(0, pass.query + kv));
  std::vector<AttentionRows>& rows = pass.buffers.attention_rows;
  rows.clear();
  for (const SequenceSlice& slice : pass.buffers.slices) {
    rows.push_back(
        {slice.row_begin, slice.row_count, slice.position_begin, slice.cache->Pages(layer)});
  }
  const AttentionShape shape{heads, kv_heads, config.head_dim};
  StoreKeysValues(pass.compute, shape, rows, qkv.Cols(pass.query, kv),
                  qkv.Cols(pass.query + kv, kv));
  AttentionForward(pass.compute, shape, rows, qkv.Cols(0, pass.query), v.attention, v.softmax);
}

void LayerForward(const Pass& pass, std::size_t layer, const LayerViews& v) {
  const Compute& compute = pass.compute;
  const ModelConfig& config = pass.policy.model.config;
  const LayerWeights& weights = pass.policy.model.weights.layers[layer];
  MatrixView<float> normed = pass.buffers.normed.Shape(pass.rows, config.hidden_size);

  RmsNormForward(compute, v.input, weights.input_norm.span(), config.rms_norm_eps, normed,
                 v.input_rstd);
  LinearForward(compute, normed, weights.qkv, weights.qkv_bias.span(), Output::kWrite, v.qkv);
  LoraForward(compute, pass.Branch(layer, LoraGroup::kQkv), normed, v.lora_u, v.qkv);
  Attend(pass, layer, v);
  LinearForward(compute, v.attention, weights.o, weights.o_bias.span(), Output::kWrite, v.middle);
  LoraForward(compute, pass.Branch(layer, LoraGroup::kO), v.attention, v.lora_u, v.middle);
  AddRows(compute, v.input, v.middle);

  RmsNormForward(compute, v.middle, weights.post_attention_norm.span(), config.rms_norm_eps, normed,
                 v.middle_rstd);
  LinearForward(compute, normed, weights.gate_up, {}, Output::kWrite, v.gate_up);
  LoraForward(compute, pass.Branch(layer, LoraGroup::kGateUp), normed, v.lora_u, v.gate_up);
  MatrixView<float> activated = pass.buffers.activated.Shape(pass.rows, config.intermediate_size);
  SwigluForward(compute, v.gate_up, activated);
  LinearForward(compute, activated, weights.down, {}, Output::kWrite, v.output);
  LoraForward(compute, pass.Branch(layer, LoraGroup::kDown), activated, v.lora_u, v.output);
  AddRows(compute, v.middle, v.output);
}

LayerViews SavedViews(SavedActivations::Layers& saved, std::size_t layer, std::size_t begin,
                      std::size_t rows) {
  SavedLayer& from = saved.Rest(layer);
  RowBuffer& next = layer + 1 < saved.layers.size() ? saved.layers[layer + 1].input : saved.output;
  LayerViews v;
  v.input = saved.layers[layer].input.view().Rows(begin, rows);
  v.qkv = from.qkv.view().Rows(begin, rows);
  v.attention = from.attention.view().Rows(begin, rows);
  v.softmax = from.softmax.view().Rows(begin, rows);
  v.middle = from.middle.view().Rows(begin, rows);
  v.gate_up = from.gate_up.view().Rows(begin, rows);
  v.lora_u = from.lora_u.view().Rows(begin, rows);  // a live layer may be wider than this one's
  v.output = next.view().Rows(begin, rows);
  v.input_rstd = RowsOf(from.input_rstd, begin, rows);
  v.middle_rstd = RowsOf(from.middle_rstd, begin, rows);
  return v;
}

// The residual stream alternates between x and y within a layer and ends in x again.
LayerViews ScratchViews(const Pass& pass) {
  const ModelConfig& config = pass.policy.model.config;
  LayerViews v;
  v.input = pass.buffers.x.view();
  v.qkv = pass.buffers.qkv.Shape(pass.rows, pass.qkv);
  v.attention = pass.buffers.attention.Shape(pass.rows, pass.query);
  v.middle = pass.buffers.y.Shape(pass.rows, config.hidden_size);
  v.gate_up = pass.buffers.gate_up.Shape(pass.rows, 2 * config.intermediate_size);
  v.lora_u = pass.buffers.lora_u.view();
  v.output = pass.buffers.x.view();
  return v;
}

// Rows [begin, begin + rows) of a batch whose sequences have room in their caches and are given as
// buffers.slices with rows counted from `begin`.  saved_begin: their first row in `saved`.
void ForwardRows(const Policy& policy, const Compute& compute, std::span<const std::int32_t> ids,
                 Scratch::Buffers& buffers, SavedActivations::Layers* saved,
                 std::size_t saved_begin, MatrixView<float> hidden) {
  const Model& model = policy.model;
  const ModelConfig& config = model.config;
  const std::size_t query = config.num_attention_heads * config.head_dim;
  const std::size_t qkv = query + 2 * config.num_key_value_heads * config.head_dim;
  const Pass pass{policy, compute, buffers, ids.size(), config.head_dim, query, qkv};
  buffers.positions.resize(ids.size());
  for (const SequenceSlice& slice : buffers.slices) {
    for (std::size_t i = 0; i < slice.row_count; ++i) {
      buffers.positions[slice.row_begin + i] = static_cast<std::uint32_t>(slice.position_begin + i);
    }
  }
  if (saved != nullptr) {
    std::copy(buffers.positions.begin(), buffers.positions.end(),
              saved->positions.begin() + static_cast<std::ptrdiff_t>(saved_begin));
  }
  if (policy.adapter != nullptr) {
    buffers.lora_u.Shape(ids.size(), LoraRank(*policy.adapter));
  }

  MatrixView<float> x = saved != nullptr
                            ? saved->layers[0].input.view().Rows(saved_begin, ids.size())
                            : buffers.x.Shape(ids.size(), config.hidden_size);
  compute.pool.For(ids.size(), kRowGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) {
      model.weights.embed.GetRow(static_cast<std::size_t>(ids[t]), x.row_span(t));
    }
  });
  for (std::size_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    LayerForward(
        pass, layer,
        saved != nullptr ? SavedViews(*saved, layer, saved_begin, ids.size()) : ScratchViews(pass));
  }
  MatrixView<float> last =
      saved != nullptr ? saved->output.view().Rows(saved_begin, ids.size()) : x;
  RmsNormForward(
      compute, last, model.weights.final_norm.span(), config.rms_norm_eps, hidden,
      saved != nullptr ? RowsOf(saved->output_rstd, saved_begin, ids.size()) : std::span<float>{});
}

// Rows [begin, end) of the batch in blocks of kForwardRows.  `all` lists the sequences of the whole
// batch (rows ascending).
void ForwardRange(const Policy& policy, const Compute& compute, std::span<const std::int32_t> ids,
                  std::span<const SequenceSlice> all, std::size_t begin, std::size_t end,
                  Scratch::Buffers& buffers, SavedActivations::Layers* saved,
                  MatrixView<float> hidden) {
  std::size_t sequence = 0;
  for (std::size_t first = begin; first < end; first += kForwardRows) {
    const std::size_t last = std::min(end, first + kForwardRows);
    while (all[sequence].row_begin + all[sequence].row_count <= first) ++sequence;
    buffers.slices.clear();
    for (std::size_t s = sequence; s < all.size() && all[s].row_begin < last; ++s) {
      const SequenceSlice& whole = all[s];
      const std::size_t from = std::max(first, whole.row_begin);
      const std::size_t to = std::min(last, whole.row_begin + whole.row_count);
      buffers.slices.push_back(
          {from - first, to - from, whole.position_begin + (from - whole.row_begin), whole.cache});
    }
    ForwardRows(policy, compute, ids.subspan(first, last - first), buffers, saved, first,
                hidden.Rows(first, last - first));
  }
}

std::size_t LayerBytes(const Weights& weights) {
  std::size_t total = 0;
  for (const LayerWeights& layer : weights.layers) {
    total += layer.qkv.bytes() + layer.o.bytes() + layer.gate_up.bytes() + layer.down.bytes();
  }
  return total;
}

// First sequence of each thread's part, by rows as even as whole sequences allow.
std::size_t SequenceAtRow(std::span<const SequenceSlice> all, std::size_t row) {
  std::size_t s = 0;
  while (s < all.size() && all[s].row_begin < row) ++s;
  return s;
}

void ForwardBySequences(const Policy& policy, const Compute& compute,
                        std::span<const std::int32_t> ids, std::span<const SequenceSlice> all,
                        Scratch::Buffers& buffers, SavedActivations::Layers* saved,
                        MatrixView<float> hidden) {
  const int threads = compute.pool.size();
  while (buffers.workers.size() < static_cast<std::size_t>(threads)) {
    buffers.workers.push_back(std::make_unique<Scratch::Buffers::Worker>());
  }
  compute.pool.Run([&](int thread) {
    const IndexRange range = ThreadRange(ids.size(), 1, thread, threads);
    const std::size_t first = SequenceAtRow(all, range.begin);
    const std::size_t last = SequenceAtRow(all, range.end);
    if (first == last) return;
    Scratch::Buffers::Worker& worker = *buffers.workers[static_cast<std::size_t>(thread)];
    const Compute own(worker.pool, compute.isa);
    const std::size_t end = all[last - 1].row_begin + all[last - 1].row_count;
    ForwardRange(policy, own, ids, all.subspan(first, last - first), all[first].row_begin, end,
                 worker.buffers, saved, hidden);
  });
}

}  // namespace

void RecomputeLayer(const Policy& policy, const Compute& compute, std::size_t layer,
                    std::span<const BackwardRows> sequences, Scratch::Buffers& buffers,
                    SavedActivations::Layers& saved) {
  const ModelConfig& config = policy.model.config;
  const std::size_t query = config.num_attention_heads * config.head_dim;
  const std::size_t qkv = query + 2 * config.num_key_value_heads * config.head_dim;
  for (std::size_t begin = 0; begin < saved.rows; begin += kForwardRows) {
    const std::size_t end = std::min(saved.rows, begin + kForwardRows);
    buffers.slices.clear();
    for (const BackwardRows& sequence : sequences) {
      const SequenceRows& all = sequence.rows;
      const std::size_t from = std::max(begin, all.row_begin);
      const std::size_t to = std::min(end, all.row_begin + all.row_count);
      if (from >= to) continue;
      const std::size_t position = all.cache->length() - all.row_count + (from - all.row_begin);
      buffers.slices.push_back({from - begin, to - from, position, all.cache});
    }
    buffers.positions.assign(saved.positions.begin() + static_cast<std::ptrdiff_t>(begin),
                             saved.positions.begin() + static_cast<std::ptrdiff_t>(end));
    const Pass pass{policy, compute, buffers, end - begin, config.head_dim, query, qkv};
    LayerForward(pass, layer, SavedViews(saved, layer, begin, end - begin));
  }
}

void Forward(const Policy& policy, const Compute& compute, std::span<const std::int32_t> ids,
             std::span<const SequenceRows> sequences, Scratch& scratch, SavedActivations* saved,
             MatrixView<float> hidden) {
  const Model& model = policy.model;
  Scratch::Buffers& buffers = scratch.buffers();
  std::vector<SequenceSlice>& all = buffers.batch;
  all.clear();
  std::size_t row = 0;
  for (const SequenceRows& rows : sequences) {
    PAWL_CHECK(rows.row_begin == row && rows.row_count > 0);
    row += rows.row_count;
    const std::size_t position = rows.cache->length();
    PAWL_CHECK(position + rows.row_count <= model.max_positions);
    rows.cache->Extend(rows.row_count);
    all.push_back({rows.row_begin, rows.row_count, position, rows.cache});
  }
  PAWL_CHECK(row == ids.size() && hidden.rows() == ids.size());
  for (const std::int32_t id : ids) {
    PAWL_CHECK(id >= 0 && static_cast<std::size_t>(id) < model.config.vocab_size);
  }
  if (ids.empty()) return;
  SavedActivations::Layers* layers = saved == nullptr ? nullptr : &saved->layers();
  if (layers != nullptr) layers->Shape(model.config, policy.adapter, ids.size());

  const auto threads = static_cast<std::size_t>(compute.pool.size());
  if (threads > 1 && all.size() >= 2 * threads && LayerBytes(model.weights) <= kSmallModelBytes) {
    ForwardBySequences(policy, compute, ids, all, buffers, layers, hidden);
  } else {
    ForwardRange(policy, compute, ids, all, 0, ids.size(), buffers, layers, hidden);
  }
}

}  // namespace pawl
