// A model folder in memory: config, packed weights, stop ids.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/compute.h"
#include "kernels/rope.h"
#include "model/adapter.h"
#include "model/weights.h"

namespace pawl {

// How the frozen weights are stored.  kStored: as in the file (F16 is widened to float32).
// kInt8 quantises every
// matrix, embeddings and head included, each row with its own scale (kernels/packed_matrix.h); such
// a model can carry an adapter but cannot be trained in full.
enum class Precision { kStored, kF32, kBf16, kInt8 };
Result<Precision> ParsePrecision(const std::string& name);  // "f32" | "bf16" | "int8", else kUsage

struct Model {
  ModelConfig config;
  Weights weights;
  RopeTable rope;                      // for all positions up to max_positions
  std::size_t max_positions = 0;       // longest sequence; min(config's limit, what was asked for)
  std::vector<std::int32_t> stop_ids;  // config's and generation_config's eos
  std::filesystem::path folder;        // empty for a model made in memory
  // The folder's own text, written back by SaveModel with a new dtype; empty: written from config.
  std::string config_json, generation_config_json;
};

// The type that LoadModel would hold the folder's matrices in; reads headers alone.
Result<WeightType> StorageOf(const std::filesystem::path& folder, Precision precision);

// Reads tensor by tensor into packed form (no second copy of the model in memory), with the pool's
// threads.  Everything is validated first; non-finite weights are kBadFile naming the tensor.
Result<Model> LoadModel(const std::filesystem::path& folder, Precision precision, ThreadPool& pool,
                        std::size_t max_positions = 4096);

// Random weights: standard deviations 0.02 (embeddings) and 1/sqrt(fan_in) (linear layers; the two
// projections into the residual divided by sqrt(2 layers)), norms 1, biases 0; a pure function of
// (config, seed).  Numbers are sums of eight uniform bytes: near enough to a normal distribution,
// and cheap for half a billion of them.
Model MakeRandomModel(const ModelConfig& config, Precision precision, std::uint64_t seed,
                      ThreadPool& pool, std::size_t max_positions = 4096);

// config.json, generation_config.json and model.safetensors in `dtype` ("float32", "bfloat16",
// "float16"; others are kUsage, and so is a weight that float16 cannot hold).  Each file appears
// complete or not at all.  Tokenizer files are the caller's.
Status SaveModel(const Model& model, const std::string& dtype, const std::filesystem::path& folder);

// What a model needs beyond weights: the rotary table for its positions, and max_positions.
void FinishModel(Model& model, std::size_t max_positions);

std::size_t ParameterCount(const ModelConfig& config);

// What produces next-token distributions: a model with or without its adapter.
struct Policy {
  const Model& model;
  const Adapter* adapter = nullptr;
};

}  // namespace pawl
