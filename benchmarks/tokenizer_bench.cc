// Encoding and decoding of English text on one core: bytes a second over word problems and their
// solutions, written by the built-in generator.  Tokenizers: those of ../shared/data/tokenizers
// where that folder exists, and the starter's.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/philox.h"
#include "data/generator.h"
#include "tokenizer/tokenizer.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

// Some 4 MB: problems of all levels, each a text of its own, as training and bench encode them.
const std::vector<std::string>& Texts() {
  static const std::vector<std::string> texts = [] {
    std::vector<std::string> out;
    for (int level = 1; level <= 3; ++level) {
      const auto problems = GenerateProblems(level, 5'000, 1, Split::kTrain);
      if (!problems) std::abort();
      for (const Problem& problem : *problems) {
        out.push_back(problem.question + "\n" + problem.solution);
      }
    }
    return out;
  }();
  return texts;
}

std::size_t BytesOf(const std::vector<std::string>& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  return bytes;
}

void Encode(benchmark::State& state, const Tokenizer& tokenizer) {
  std::size_t tokens = 0;
  for (auto _ : state) {
    tokens = 0;
    for (const std::string& text : Texts()) {
      tokens += tokenizer.Encode(text, ControlTokens::kRecognise).size();
    }
  }
  const auto bytes = static_cast<double>(BytesOf(Texts()));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(bytes));
  state.counters["bytes_per_token"] = bytes / static_cast<double>(tokens);
}

void EncodeOneLongText(benchmark::State& state, const Tokenizer& tokenizer) {
  std::string text;
  for (const std::string& one : Texts()) text += one + "\n\n";
  for (auto _ : state) {
    benchmark::DoNotOptimize(tokenizer.Encode(text, ControlTokens::kRecognise));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

// Words that hardly ever come twice, so that every one is merged from its bytes: the worst that
// English-like text can be.
void EncodeNewWords(benchmark::State& state, const Tokenizer& tokenizer) {
  constexpr const char* kSyllables[] = {"ba",   "ter", "in",  "o",  "stra", "ly", "men", "qui",
                                        "tion", "ex",  "pre", "ul", "ded",  "fa", "gro", "s"};
  RandomStream random({1, RandomPurpose::kTest, 0, 0});
  std::string text;
  while (text.size() < 1'000'000) {
    for (std::uint32_t left = 2 + random.Below(4); left > 0; --left) {
      text += kSyllables[random.Below(16)];
    }
    text += random.Below(12) == 0 ? ". " : " ";
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(tokenizer.Encode(text, ControlTokens::kRecognise));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
}

void Decode(benchmark::State& state, const Tokenizer& tokenizer) {
  std::vector<std::vector<std::int32_t>> ids;
  for (const std::string& text : Texts()) {
    ids.push_back(tokenizer.Encode(text, ControlTokens::kRecognise));
  }
  for (auto _ : state) {
    for (const auto& one : ids) benchmark::DoNotOptimize(tokenizer.Decode(one, false));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * BytesOf(Texts())));
}

// Tokenizers live to the end of the process, which measures them.
void Register(const std::string& name, const fs::path& folder) {
  auto loaded = Tokenizer::Load(folder);
  if (!loaded) {
    std::fprintf(stderr, "%s: skipped: %s\n", name.c_str(), loaded.error().message.c_str());
    return;
  }
  static std::vector<std::unique_ptr<Tokenizer>> kept;
  const Tokenizer& tokenizer = *kept.emplace_back(std::make_unique<Tokenizer>(std::move(*loaded)));
  const auto add = [&](const char* what, void (*measure)(benchmark::State&, const Tokenizer&)) {
    benchmark::RegisterBenchmark((name + what).c_str(), [&tokenizer,
                                                         measure](benchmark::State& state) {
      measure(state, tokenizer);
    })->Unit(benchmark::kMillisecond);
  };
  add("/encode", Encode);
  add("/encode_one_long_text", EncodeOneLongText);
  add("/encode_new_words", EncodeNewWords);
  add("/decode", Decode);
}

}  // namespace
}  // namespace pawl

int main(int argc, char** argv) {
  const std::filesystem::path source(PAWL_SOURCE_DIR);
  const auto shared = source.parent_path() / "shared" / "data" / "tokenizers";
  for (const char* name : {"qwen2_5", "qwen3", "gpt2"}) {
    if (std::filesystem::exists(shared / name)) pawl::Register(name, shared / name);
  }
  pawl::Register("starter", source / "models" / "starter");
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
