#include "pipeline/new_model.h"

#include "base/file_system.h"
#include "data/generator.h"
#include "tokenizer/bpe_trainer.h"

namespace pawl {
namespace {

// Chat texts that the tokenizer learns from: the template's own words count too, or "user" and
// "assistant" would cost many tokens in every prompt.
Result<std::vector<std::string>> Corpus(std::uint64_t seed) {
  std::vector<std::string> texts;
  for (int level = 1; level <= 3; ++level) {
    for (std::uint64_t index = 0; index < 2000; ++index) {
      const WordProblem word = MakeWordProblem(seed, level, Split::kTrain, index);
      RandomStream random({seed, RandomPurpose::kGenerator, index, 7});
      const auto style = index % 10 == 0 ? SolutionStyle::kNoMarker : SolutionStyle::kWorked;
      texts.push_back("<|im_start|>user\n" + word.question + "<|im_end|>\n<|im_start|>assistant\n" +
                      RenderSolution(word, style, random) + "<|im_end|>\n");
    }
  }
  return texts;
}

}  // namespace

Status MakeNewTokenizer(const RunConfig& config, const std::filesystem::path& folder) {
  std::error_code ignored;
  if (std::filesystem::exists(folder / "tokenizer.json", ignored)) return {};
  PAWL_TRY(MakeDirectories(folder));
  PAWL_ASSIGN(const auto corpus, Corpus(config.run.seed));
  BpeTrainerOptions options;
  options.vocab_size = static_cast<std::size_t>(config.new_model.vocab_size);
  options.model_max_length = config.new_model.max_position_embeddings;
  PAWL_ASSIGN(const TokenizerFiles files, TrainByteLevelBpe(corpus, options));
  PAWL_TRY(WriteFileAtomic(folder / "tokenizer_config.json", files.tokenizer_config_json));
  return WriteFileAtomic(folder / "tokenizer.json", files.tokenizer_json);
}

Result<Model> MakeNewModel(const RunConfig& config, const Tokenizer& tokenizer, ThreadPool& pool) {
  const NewModelSection& n = config.new_model;
  ModelConfig c;
  c.architecture = "Qwen2ForCausalLM";
  c.model_type = "qwen2";
  c.vocab_size = static_cast<std::size_t>(tokenizer.vocab_size());
  c.hidden_size = static_cast<std::size_t>(n.hidden_size);
  c.intermediate_size = static_cast<std::size_t>(n.intermediate_size);
  c.num_hidden_layers = static_cast<std::size_t>(n.num_hidden_layers);
  c.num_attention_heads = static_cast<std::size_t>(n.num_attention_heads);
  c.num_key_value_heads = static_cast<std::size_t>(n.num_key_value_heads);
  c.head_dim = c.hidden_size / c.num_attention_heads;
  c.max_position_embeddings = static_cast<std::size_t>(n.max_position_embeddings);
  c.rope.theta = n.rope_theta;
  c.tie_word_embeddings = true;
  c.attention_bias_qkv = true;
  if (tokenizer.eos() && tokenizer.eos()->id) c.eos_token_ids = {*tokenizer.eos()->id};
  if (tokenizer.pad() && tokenizer.pad()->id) c.pad_token_id = *tokenizer.pad()->id;
  return MakeRandomModel(c, Precision::kF32, config.run.seed, pool, c.max_position_embeddings);
}

}  // namespace pawl
