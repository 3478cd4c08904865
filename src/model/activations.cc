#include "model/activations.h"

#include "model/lora.h"
#include "model/workers.h"

namespace pawl {
namespace {

struct Widths {
  explicit Widths(const ModelConfig& config)
      : hidden(config.hidden_size),
        query(config.num_attention_heads * config.head_dim),
        qkv(query + 2 * config.num_key_value_heads * config.head_dim),
        heads(config.num_attention_heads),
        gate_up(2 * config.intermediate_size) {}
  std::size_t hidden, query, qkv, heads, gate_up;
};

}  // namespace

Scratch::Buffers::Buffers() = default;
Scratch::Buffers::~Buffers() = default;
Scratch::Scratch() : buffers_(std::make_unique<Buffers>()) {}
Scratch::~Scratch() = default;

SavedActivations::SavedActivations(Saving saving) : layers_(std::make_unique<Layers>()) {
  layers_->saving = saving;
}
SavedActivations::~SavedActivations() = default;
SavedActivations::SavedActivations(SavedActivations&&) noexcept = default;
SavedActivations& SavedActivations::operator=(SavedActivations&&) noexcept = default;

std::size_t SavedActivations::bytes() const {
  std::size_t total = layers_->output.bytes() + layers_->output_rstd.bytes() +
                      layers_->positions.size() * sizeof(std::uint32_t);
  const auto add = [&total](const SavedLayer& layer) {
    for (const RowBuffer* buffer :
         {&layer.input, &layer.input_rstd, &layer.qkv, &layer.attention, &layer.softmax,
          &layer.middle, &layer.middle_rstd, &layer.gate_up, &layer.lora_u}) {
      total += buffer->bytes();
    }
  };
  for (const SavedLayer& layer : layers_->layers) add(layer);
  add(layers_->live);
  return total;
}

void SavedActivations::Layers::Shape(const ModelConfig& config, const Adapter* adapter,
                                     std::size_t row_count) {
  const Widths widths(config);
  rows = row_count;
  layers.resize(config.num_hidden_layers);
  positions.resize(rows);
  const auto shape_rest = [&](SavedLayer& layer, std::size_t ranks) {
    layer.input_rstd.Shape(1, rows);
    layer.qkv.Shape(rows, widths.qkv);
    layer.attention.Shape(rows, widths.query);
    layer.softmax.Shape(rows, 2 * widths.heads);
    layer.middle.Shape(rows, widths.hidden);
    layer.middle_rstd.Shape(1, rows);
    layer.gate_up.Shape(rows, widths.gate_up);
    layer.lora_u.Shape(rows, ranks);
  };
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i].input.Shape(rows, widths.hidden);
    if (saving == Saving::kAll) {
      shape_rest(layers[i], adapter == nullptr ? 0 : LoraRank(adapter->layers[i]));
    }
  }
  if (saving == Saving::kRecompute) {
    shape_rest(live, adapter == nullptr ? 0 : LoraRank(*adapter));
  }
  output.Shape(rows, widths.hidden);
  output_rstd.Shape(1, rows);
}

std::size_t ActivationBytesPerRow(const ModelConfig& config, const Adapter* adapter,
                                  Saving saving) {
  const Widths widths(config);
  const std::size_t rest =
      widths.hidden + 2 + widths.qkv + widths.query + 2 * widths.heads + widths.gate_up;
  const std::size_t layers = config.num_hidden_layers;
  std::size_t floats = (layers + 1) * widths.hidden + 1;
  if (saving == Saving::kRecompute) {
    floats += rest + (adapter == nullptr ? 0 : LoraRank(*adapter));
  } else {
    floats += layers * rest;
    if (adapter != nullptr) {
      for (const AdapterLayer& adapted : adapter->layers) floats += LoraRank(adapted);
    }
  }
  return floats * sizeof(float) + sizeof(std::uint32_t);
}

}  // namespace pawl
