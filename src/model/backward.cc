#include "model/backward.h"

#include <algorithm>

#include "base/check.h"
#include "base/profile.h"
#include "kernels/linear.h"
#include "kernels/norm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"
#include "model/activations.h"
#include "model/lookup.h"
#include "model/lora.h"
#include "model/rows.h"

namespace pawl {
namespace {

struct Pass {
  const Policy& policy;
  const Compute& compute;
  const SavedActivations::Layers& saved;
  Scratch::Buffers& buffers;
  const Gradients& gradients;
  std::span<const BackwardRows> sequences;

  const ModelConfig& config() const { return policy.model.config; }
  std::size_t rows() const { return saved.rows; }
  LoraBranch Branch(std::size_t layer, LoraGroup group) const {
    const Adapter* adapter = policy.adapter;
    if (adapter == nullptr) return {};
    return {&adapter->layers[layer], adapter->scale, group};
  }
  // The input of a group's products matters only where a weight that reads it is trained.
  bool NeedsInput(std::size_t layer, LoraGroup group) const {
    return gradients.weights != nullptr ||
           (gradients.adapter != nullptr && Branch(layer, group).active());
  }
};

std::span<const float> Rstd(const RowBuffer& one_row, std::size_t begin, std::size_t count) {
  return one_row.view().row_span(0).subspan(begin, count);
}

// dx of one fused product with its low-rank branches, and the gradients of their weights.  dw: null
// without full fine-tuning.  begin: the rows' place in the pass.
void ProductBackward(const Pass& pass, std::size_t layer, LoraGroup group, std::size_t begin,
                     MatrixView<const float> dy, MatrixView<const float> x,
                     const PackedMatrix& weights, PackedMatrix* dw, MatrixView<float> dx) {
  const Compute& compute = pass.compute;
  LinearBackwardInput(compute, dy, weights, Output::kWrite, dx);
  const LoraBranch branch = pass.Branch(layer, group);
  if (branch.active()) {
    const MatrixView<const float> u = pass.saved.Rest(layer).lora_u.view().Rows(begin, dy.rows());
    MatrixView<float> scaled_u = pass.buffers.lora_u.Shape(u.rows(), u.cols());
    MatrixView<float> du = pass.buffers.lora_du.Shape(u.rows(), u.cols());
    AdapterLayer* gradient = nullptr;
    if (pass.gradients.adapter != nullptr) {
      gradient = &pass.gradients.adapter->layers[layer];
      CopyRows(compute, u, scaled_u);
      ScaleRows(compute, branch.scale, scaled_u);
    }
    LoraBackward(compute, branch, dy, x, scaled_u, du, dx, gradient);
  }
  if (dw != nullptr) LinearBackwardWeight(compute, dy, x, *dw);
}

// Rows [begin, begin + dx.rows()): dx comes as the gradient of the layer's output and leaves as
// that of the stream between attention and MLP.
void MlpBackward(const Pass& pass, std::size_t layer, std::size_t begin, MatrixView<float> dx) {
  const Compute& compute = pass.compute;
  const ModelConfig& config = pass.config();
  const LayerWeights& weights = pass.policy.model.weights.layers[layer];
  LayerWeights* dw = pass.gradients.weights ? &pass.gradients.weights->layers[layer] : nullptr;
  const SavedLayer& saved = pass.saved.Rest(layer);
  const std::size_t rows = dx.rows(), inner = config.intermediate_size;
  const MatrixView<const float> gate_up = saved.gate_up.view().Rows(begin, rows);
  const MatrixView<const float> middle = saved.middle.view().Rows(begin, rows);
  const std::span<const float> rstd = Rstd(saved.middle_rstd, begin, rows);

  MatrixView<float> activated = pass.buffers.activated.Shape(rows, inner);
  if (pass.NeedsInput(layer, LoraGroup::kDown)) SwigluForward(compute, gate_up, activated);
  MatrixView<float> dactivated = pass.buffers.dactivated.Shape(rows, inner);
  ProductBackward(pass, layer, LoraGroup::kDown, begin, dx, activated, weights.down,
                  dw ? &dw->down : nullptr, dactivated);

  MatrixView<float> dgate_up = pass.buffers.gate_up.Shape(rows, 2 * inner);
  SwigluBackward(compute, gate_up, dactivated, dgate_up);
  MatrixView<float> normed = pass.buffers.normed.Shape(rows, config.hidden_size);
  if (pass.NeedsInput(layer, LoraGroup::kGateUp)) {
    RmsNormForward(compute, middle, weights.post_attention_norm.span(), config.rms_norm_eps, normed,
                   {});
  }
  MatrixView<float> dnormed = pass.buffers.dnormed.Shape(rows, config.hidden_size);
  ProductBackward(pass, layer, LoraGroup::kGateUp, begin, dgate_up, normed, weights.gate_up,
                  dw ? &dw->gate_up : nullptr, dnormed);
  RmsNormBackward(compute, dnormed, middle, weights.post_attention_norm.span(), rstd, dx,
                  dw ? dw->post_attention_norm.span() : std::span<float>{});
}

// The queries as attention saw them.  With q/k norms they are computed again, and the norms'
// factors are left in the buffers q_rstd and k_rstd.
MatrixView<const float> Queries(const Pass& pass, std::size_t layer) {
  const ModelConfig& config = pass.config();
  const LayerWeights& weights = pass.policy.model.weights.layers[layer];
  const std::size_t heads = config.num_attention_heads, kv_heads = config.num_key_value_heads;
  const std::size_t query = heads * config.head_dim, kv = kv_heads * config.head_dim;
  const MatrixView<const float> saved = pass.saved.Rest(layer).qkv.view();
  if (!config.qk_norm) return saved.Cols(0, query);
  MatrixView<float> qk = pass.buffers.qkv.Shape(pass.rows(), query + kv);
  CopyRows(pass.compute, saved.Cols(0, query + kv), qk);
  HeadNormForward(pass.compute, qk.Cols(0, query), heads, weights.q_norm.span(),
                  config.rms_norm_eps, pass.buffers.q_rstd.Shape(pass.rows(), heads));
  HeadNormForward(pass.compute, qk.Cols(query, kv), kv_heads, weights.k_norm.span(),
                  config.rms_norm_eps, pass.buffers.k_rstd.Shape(pass.rows(), kv_heads));
  RopeForward(pass.compute, pass.policy.model.rope, pass.saved.positions, heads, qk.Cols(0, query));
  return qk.Cols(0, query);
}

// dqkv [T, (H + 2K) D]: gradients of the raw products, from dattention [T, H D].
void AttendBackward(const Pass& pass, std::size_t layer, MatrixView<const float> dattention,
                    MatrixView<float> dqkv) {
  const Compute& compute = pass.compute;
  const ModelConfig& config = pass.config();
  const LayerWeights& weights = pass.policy.model.weights.layers[layer];
  LayerWeights* dw = pass.gradients.weights ? &pass.gradients.weights->layers[layer] : nullptr;
  const SavedLayer& saved = pass.saved.Rest(layer);
  const std::size_t heads = config.num_attention_heads, kv_heads = config.num_key_value_heads;
  const std::size_t query = heads * config.head_dim, kv = kv_heads * config.head_dim;
  MatrixView<float> dq = dqkv.Cols(0, query), dk = dqkv.Cols(query, kv),
                    dv = dqkv.Cols(query + kv, kv);

  std::vector<AttentionGradientRows>& rows = pass.buffers.gradient_rows;
  rows.clear();
  for (const BackwardRows& sequence : pass.sequences) {
    const std::size_t begin = sequence.rows.cache->length() - sequence.rows.row_count;
    AttentionGradientRows out;
    out.rows = {sequence.rows.row_begin, sequence.rows.row_count, begin,
                sequence.rows.cache->Pages(layer)};
    if (begin > 0) {
      PAWL_CHECK(sequence.prefix != nullptr && sequence.prefix->positions() == begin);
      out.dprefix_keys = sequence.prefix->keys(layer);
      out.dprefix_values = sequence.prefix->values(layer);
    }
    rows.push_back(out);
  }
  AttentionBackward(compute, {heads, kv_heads, config.head_dim}, rows, Queries(pass, layer),
                    saved.attention.view(), saved.softmax.view(), dattention, dq, dk, dv);
  for (const BackwardRows& sequence : pass.sequences) {
    if (sequence.incoming == nullptr) continue;
    const std::size_t count = sequence.rows.row_count;
    const std::size_t begin = sequence.rows.cache->length() - count;
    AddRows(compute, sequence.incoming->keys(layer).Rows(begin, count),
            dk.Rows(sequence.rows.row_begin, count));
    AddRows(compute, sequence.incoming->values(layer).Rows(begin, count),
            dv.Rows(sequence.rows.row_begin, count));
  }
  RopeBackward(compute, pass.policy.model.rope, pass.saved.positions, heads + kv_heads,
               dqkv.Cols(0, query + kv));
  if (config.qk_norm) {
    HeadNormBackward(compute, dq, saved.qkv.view().Cols(0, query), heads, weights.q_norm.span(),
                     pass.buffers.q_rstd.view(), dw ? dw->q_norm.span() : std::span<float>{});
    HeadNormBackward(compute, dk, saved.qkv.view().Cols(query, kv), kv_heads, weights.k_norm.span(),
                     pass.buffers.k_rstd.view(), dw ? dw->k_norm.span() : std::span<float>{});
  }
}

// dx comes as the gradient of the stream after attention and leaves as that of the layer's input.
void AttentionBlockBackward(const Pass& pass, std::size_t layer, MatrixView<float> dx) {
  const Compute& compute = pass.compute;
  const ModelConfig& config = pass.config();
  const LayerWeights& weights = pass.policy.model.weights.layers[layer];
  LayerWeights* dw = pass.gradients.weights ? &pass.gradients.weights->layers[layer] : nullptr;
  const SavedLayer& saved = pass.saved.Rest(layer);
  const MatrixView<const float> input = pass.saved.layers[layer].input.view();
  const std::size_t rows = pass.rows(), query = config.num_attention_heads * config.head_dim;

  MatrixView<float> dattention = pass.buffers.dattention.Shape(rows, query);
  ProductBackward(pass, layer, LoraGroup::kO, 0, dx, saved.attention.view(), weights.o,
                  dw ? &dw->o : nullptr, dattention);
  if (dw != nullptr && !dw->o_bias.empty()) BiasBackward(compute, dx, dw->o_bias.span());
  MatrixView<float> dqkv = pass.buffers.dqkv.Shape(rows, weights.qkv.n());
  AttendBackward(pass, layer, dattention, dqkv);

  MatrixView<float> normed = pass.buffers.normed.Shape(rows, config.hidden_size);
  if (pass.NeedsInput(layer, LoraGroup::kQkv)) {
    RmsNormForward(compute, input, weights.input_norm.span(), config.rms_norm_eps, normed, {});
  }
  MatrixView<float> dnormed = pass.buffers.dnormed.Shape(rows, config.hidden_size);
  ProductBackward(pass, layer, LoraGroup::kQkv, 0, dqkv, normed, weights.qkv,
                  dw ? &dw->qkv : nullptr, dnormed);
  if (dw != nullptr && !dw->qkv_bias.empty()) BiasBackward(compute, dqkv, dw->qkv_bias.span());
  RmsNormBackward(compute, dnormed, input, weights.input_norm.span(),
                  Rstd(saved.input_rstd, 0, rows), dx,
                  dw ? dw->input_norm.span() : std::span<float>{});
}

}  // namespace

void Backward(const Policy& policy, const Compute& compute, std::span<const std::int32_t> ids,
              std::span<const BackwardRows> sequences, SavedActivations& saved, Scratch& scratch,
              MatrixView<float> dhidden, const Gradients& gradients) {
  const ProfilePart part(Part::kBackward);
  const Model& model = policy.model;
  const Pass pass{policy, compute, saved.layers(), scratch.buffers(), gradients, sequences};
  PAWL_CHECK(pass.rows() == ids.size() && dhidden.rows() == ids.size());
  if (ids.empty()) return;

  MatrixView<float> dx = pass.buffers.dx.Shape(ids.size(), model.config.hidden_size);
  ZeroRows(compute, dx);
  Weights* dw = gradients.weights;
  RmsNormBackward(compute, dhidden, pass.saved.output.view(), model.weights.final_norm.span(),
                  Rstd(pass.saved.output_rstd, 0, ids.size()), dx,
                  dw ? dw->final_norm.span() : std::span<float>{});
  const std::size_t last = model.config.num_hidden_layers - 1;
  for (std::size_t layer = model.config.num_hidden_layers; layer-- > 0;) {
    if (pass.saved.saving == Saving::kRecompute && layer != last) {  // the last one is still there
      RecomputeLayer(policy, compute, layer, sequences, pass.buffers, saved.layers());
    }
    for (std::size_t begin = 0; begin < ids.size(); begin += kForwardRows) {
      MlpBackward(pass, layer, begin, dx.Rows(begin, std::min(kForwardRows, ids.size() - begin)));
    }
    AttentionBlockBackward(pass, layer, dx);
  }
  if (gradients.lookup != nullptr) {
    gradients.lookup->Add(compute, ids, dx);
  } else if (dw != nullptr) {
    AddLookups(compute, ids, dx, dw->embed);
  }
}

}  // namespace pawl
