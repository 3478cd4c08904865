#include "tokenizer/bpe_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/utf8.h"

namespace pawl {
namespace {

constexpr std::array<const char*, 3> kControl = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
// The pre-split: one digit, letters, a run of #, a newline or a symbol, all but the first and
// fourth with a space before; another white space on its own.
constexpr const char* kPattern = R"(\p{N}| ?\p{L}+| ?#+|\n| ?[^\s\p{L}\p{N}#]|\s)";
constexpr const char* kTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + "
    "'\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

using Pair = std::pair<int, int>;

// Distinct pieces with their counts, as sequences of token ids.
struct Words {
  std::vector<std::vector<int>> tokens;
  std::vector<long long> counts;
};

// The parts of text between control tokens.
std::vector<std::string> WithoutControl(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::string_view rest = std::string_view(text).substr(at);
    const auto control = std::find_if(kControl.begin(), kControl.end(),
                                      [&](const char* token) { return rest.starts_with(token); });
    if (control == kControl.end()) {
      ++at;
      continue;
    }
    parts.push_back(text.substr(begin, at - begin));
    at += std::string_view(*control).size();
    begin = at;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

// Cuts the texts as the finished tokenizer will and counts what comes out.
Result<Words> CountPieces(const std::vector<std::string>& texts, const PreTokenizer& pre_tokenizer,
                          int first_byte) {
  std::map<std::string, long long> pieces;
  std::vector<Span> spans;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!IsWellFormedUtf8(texts[i])) {
      return BadFile(fmt::format("tokenizer: text {} is not UTF-8", i));
    }
    for (std::string& part : WithoutControl(texts[i])) {
      PAWL_TRY(pre_tokenizer.Split(&part, &spans));
      for (const Span& span : spans) ++pieces[part.substr(span.begin, span.size())];
    }
  }
  Words words;
  for (const auto& [piece, count] : pieces) {
    words.tokens.emplace_back();
    for (const char c : piece) {
      words.tokens.back().push_back(first_byte + static_cast<unsigned char>(c));
    }
    words.counts.push_back(count);
  }
  return words;
}

// The most frequent pair; ties go to the smaller pair of texts.
Pair BestPair(const Words& words, const std::vector<std::string>& vocabulary, long long* best) {
  std::map<Pair, long long> counts;
  for (std::size_t w = 0; w < words.tokens.size(); ++w) {
    const auto& t = words.tokens[w];
    for (std::size_t i = 0; i + 1 < t.size(); ++i) counts[{t[i], t[i + 1]}] += words.counts[w];
  }
  Pair chosen{-1, -1};
  *best = 0;
  const auto text = [&](const Pair& p) {
    return std::pair(vocabulary[static_cast<std::size_t>(p.first)],
                     vocabulary[static_cast<std::size_t>(p.second)]);
  };
  for (const auto& [pair, count] : counts) {
    if (count > *best || (count == *best && text(pair) < text(chosen))) {
      *best = count;
      chosen = pair;
    }
  }
  return chosen;
}

void Merge(const Pair& pair, int merged, Words* words) {
  for (auto& t : words->tokens) {
    std::size_t out = 0;
    for (std::size_t i = 0; i < t.size(); ++out) {
      if (i + 1 < t.size() && t[i] == pair.first && t[i + 1] == pair.second) {
        t[out] = merged;
        i += 2;
      } else {
        t[out] = t[i++];
      }
    }
    t.resize(out);
  }
}

Json AddedTokenJson(std::size_t id) {
  return {{"id", id},        {"content", kControl[id]}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false},     {"special", true}};
}

// The control tokens stand in the vocabulary too: the reference gives a token that is only among
// the added ones an id behind the vocabulary, whatever the file says.
Json ModelJson(const std::vector<std::string>& vocabulary, const Json& merges) {
  Json vocab = Json::object();
  for (std::size_t id = 0; id < vocabulary.size(); ++id) vocab[vocabulary[id]] = id;
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", vocab},
          {"merges", merges}};
}

}  // namespace

Result<TokenizerFiles> TrainByteLevelBpe(const std::vector<std::string>& texts,
                                         const BpeTrainerOptions& options) {
  const auto first_byte = static_cast<int>(kControl.size());
  if (options.vocab_size < 256 + kControl.size()) {
    return Usage(fmt::format("tokenizer: vocab_size {} is too small, expected at least {}",
                             options.vocab_size, 256 + kControl.size()));
  }
  const Json byte_level{{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", false},
                        {"use_regex", false}};
  const Json split{{"type", "Split"},
                   {"pattern", {{"Regex", kPattern}}},
                   {"behavior", "Isolated"},
                   {"invert", false}};
  const Json pre{{"type", "Sequence"}, {"pretokenizers", {split, byte_level}}};
  PAWL_ASSIGN(const PreTokenizer pre_tokenizer, PreTokenizer::FromJson(pre, "pre_tokenizer"));
  PAWL_ASSIGN(Words words, CountPieces(texts, pre_tokenizer, first_byte));
  std::vector<std::string> vocabulary(kControl.begin(), kControl.end());
  for (int byte = 0; byte < 256; ++byte) {
    const char raw = static_cast<char>(byte);
    vocabulary.push_back(ToByteAlphabet({&raw, 1}));
  }
  Json merges = Json::array();
  while (vocabulary.size() < options.vocab_size) {
    long long count = 0;
    const Pair pair = BestPair(words, vocabulary, &count);
    if (count < 2) break;
    const std::string& left = vocabulary[static_cast<std::size_t>(pair.first)];
    const std::string& right = vocabulary[static_cast<std::size_t>(pair.second)];
    merges.push_back({left, right});
    vocabulary.push_back(left + right);
    Merge(pair, static_cast<int>(vocabulary.size()) - 1, &words);
  }
  Json json;
  json["version"] = "1.0";
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] = Json::array();
  for (std::size_t id = 0; id < kControl.size(); ++id) {
    json["added_tokens"].push_back(AddedTokenJson(id));
  }
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = pre;
  json["post_processor"] = nullptr;
  json["decoder"] = byte_level;
  json["model"] = ModelJson(vocabulary, merges);
  const Json config{{"add_bos_token", false},     {"bos_token", nullptr},
                    {"chat_template", kTemplate}, {"clean_up_tokenization_spaces", false},
                    {"eos_token", kControl[2]},   {"model_max_length", options.model_max_length},
                    {"pad_token", kControl[0]},   {"tokenizer_class", "PreTrainedTokenizerFast"}};
  return TokenizerFiles{WriteJsonPretty(json), WriteJsonPretty(config)};
}

}  // namespace pawl
