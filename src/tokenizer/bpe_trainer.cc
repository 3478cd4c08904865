#include "tokenizer/bpe_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/json.h"

namespace pawl {
namespace {

constexpr std::array<const char*, 3> kControl = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
// The pre-split as a regular expression: what NextPiece does, for whoever reads the file.
constexpr const char* kPattern = R"(\p{N}| ?\p{L}+| ?#+|\n| ?[^\s\p{L}\p{N}#]|\s)";
constexpr const char* kTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + "
    "'\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

// GPT-2's byte alphabet: printable bytes stand for themselves, the others for U+0100 onwards.
std::array<std::string, 256> ByteSymbols() {
  std::array<std::string, 256> symbols;
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    const int point = printable ? byte : next++;
    std::string& symbol = symbols[static_cast<std::size_t>(byte)];
    if (point < 0x80) {
      symbol = std::string(1, static_cast<char>(point));
    } else {
      symbol = {static_cast<char>(0xc0 | (point >> 6)), static_cast<char>(0x80 | (point & 0x3f))};
    }
  }
  return symbols;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsSpace(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

// End of the piece that starts at `at`; ASCII text, other bytes count as letters.
std::size_t NextPiece(const std::string& s, std::size_t at) {
  const auto letter = [&](std::size_t i) {
    return i < s.size() && (IsLetter(s[i]) || static_cast<unsigned char>(s[i]) >= 0x80);
  };
  if (IsDigit(s[at]) || s[at] == '\n') return at + 1;
  const std::size_t body = at + (s[at] == ' ' ? 1 : 0);
  if (body == s.size()) return at + 1;
  if (letter(body)) {
    std::size_t end = body;
    while (letter(end)) ++end;
    return end;
  }
  if (s[body] == '#') return std::min(s.find_first_not_of('#', body), s.size());
  if (IsDigit(s[body]) || IsSpace(s[body])) return at + 1;
  return body + 1;
}

using Pair = std::pair<int, int>;

// Distinct pieces with their counts, as sequences of token ids.
struct Words {
  std::vector<std::vector<int>> tokens;
  std::vector<long long> counts;
};

Words CountPieces(const std::vector<std::string>& texts, int first_byte) {
  std::map<std::string, long long> pieces;
  for (std::string text : texts) {
    for (const char* control : kControl) {
      for (std::size_t at; (at = text.find(control)) != std::string::npos;) {
        text.replace(at, std::string(control).size(), "\n");
      }
    }
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = NextPiece(text, at);
      ++pieces[text.substr(at, end - at)];
      at = end;
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
Pair BestPair(const Words& words, const std::vector<std::string>& vocabulary, long long& best) {
  std::map<Pair, long long> counts;
  for (std::size_t w = 0; w < words.tokens.size(); ++w) {
    const auto& t = words.tokens[w];
    for (std::size_t i = 0; i + 1 < t.size(); ++i) counts[{t[i], t[i + 1]}] += words.counts[w];
  }
  Pair chosen{-1, -1};
  best = 0;
  const auto text = [&](const Pair& p) {
    return std::pair(vocabulary[static_cast<std::size_t>(p.first)],
                     vocabulary[static_cast<std::size_t>(p.second)]);
  };
  for (const auto& [pair, count] : counts) {
    if (count > best || (count == best && text(pair) < text(chosen))) {
      best = count;
      chosen = pair;
    }
  }
  return chosen;
}

void Merge(Words& words, const Pair& pair, int merged) {
  for (auto& t : words.tokens) {
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

}  // namespace

Result<TokenizerFiles> TrainByteLevelBpe(const std::vector<std::string>& texts,
                                         const BpeTrainerOptions& options) {
  const auto first_byte = static_cast<int>(kControl.size());
  if (options.vocab_size < 256 + kControl.size()) {
    return Usage(fmt::format("tokenizer: vocab_size {} is too small, expected at least {}",
                             options.vocab_size, 256 + kControl.size()));
  }
  std::vector<std::string> vocabulary(kControl.begin(), kControl.end());
  for (const std::string& symbol : ByteSymbols()) vocabulary.push_back(symbol);
  Words words = CountPieces(texts, first_byte);
  Json merges = Json::array();
  while (vocabulary.size() < options.vocab_size) {
    long long count = 0;
    const Pair pair = BestPair(words, vocabulary, count);
    if (count < 2) break;
    const std::string& left = vocabulary[static_cast<std::size_t>(pair.first)];
    const std::string& right = vocabulary[static_cast<std::size_t>(pair.second)];
    merges.push_back({left, right});
    vocabulary.push_back(left + right);
    Merge(words, pair, static_cast<int>(vocabulary.size()) - 1);
  }
  Json vocab = Json::object();
  for (std::size_t id = kControl.size(); id < vocabulary.size(); ++id) vocab[vocabulary[id]] = id;
  Json added = Json::array();
  for (std::size_t id = 0; id < kControl.size(); ++id) added.push_back(AddedTokenJson(id));
  const Json byte_level{{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", false},
                        {"use_regex", false}};
  Json json;
  json["version"] = "1.0";
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] = added;
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "Sequence"},
                           {"pretokenizers",
                            {{{"type", "Split"},
                              {"pattern", {{"Regex", kPattern}}},
                              {"behavior", "Isolated"},
                              {"invert", false}},
                             byte_level}}};
  json["post_processor"] = nullptr;
  json["decoder"] = byte_level;
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"ignore_merges", false},
                   {"vocab", vocab},
                   {"merges", merges}};
  const Json config{{"add_bos_token", false},     {"bos_token", nullptr},
                    {"chat_template", kTemplate}, {"clean_up_tokenization_spaces", false},
                    {"eos_token", kControl[2]},   {"model_max_length", options.model_max_length},
                    {"pad_token", kControl[0]},   {"tokenizer_class", "PreTrainedTokenizerFast"}};
  return TokenizerFiles{WriteJsonPretty(json), WriteJsonPretty(config)};
}

}  // namespace pawl
