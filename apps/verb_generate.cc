// pawl generate: completions of prompts, messages or token ids.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "apps/lines.h"
#include "apps/policy.h"
#include "apps/verbs.h"
#include "eval/stop_text.h"
#include "rollout/generate.h"
#include "tokenizer/chat_template.h"

namespace pawl {
namespace {

struct Flags {
  PolicyFlags policy;
  std::string prompt, input;
  SamplingConfig sampling;
  std::vector<std::string> stop;
  int num_generations = 1;
  bool json = false;
};

// A line of input: a request, or why there is none.
struct Item {
  std::optional<std::size_t> request;
  std::string error;
};

Result<std::vector<std::int32_t>> PromptIds(const LoadedPolicy& loaded, const Json& line) {
  if (line.is_object() && line.contains("ids")) {
    return IdsField(line, loaded.model.config.vocab_size);
  }
  if (!loaded.tokenizer) {
    return Usage(fmt::format("{}: has no tokenizer.json; give \"ids\" instead of text",
                             loaded.located.tokenizer.string()));
  }
  if (line.is_object() && line.contains("messages")) {
    return EncodeChatLine(*loaded.tokenizer, line);
  }
  if (line.is_object() && line.contains("prompt") && line.at("prompt").is_string()) {
    return loaded.tokenizer->Encode(line.at("prompt").get<std::string>(),
                                    ControlTokens::kRecognise);
  }
  return BadFile("expected one of \"prompt\", \"messages\" or \"ids\"");
}

Json CompletionJson(const LoadedPolicy& loaded, const Completion& completion) {
  Json out;
  out["ids"] = completion.ids;
  out["text"] = loaded.tokenizer ? Json(loaded.tokenizer->Decode(completion.ids, true)) : Json();
  out["logprobs"] = completion.log_probs;
  out["finish_reason"] = FinishReasonName(completion.finish_reason);
  return out;
}

Result<std::vector<Json>> InputLines(const Flags& flags) {
  if (flags.prompt.empty() == flags.input.empty()) {
    return Usage("generate: give one of --prompt TEXT and --input FILE.jsonl");
  }
  if (!flags.prompt.empty()) return std::vector<Json>{Json{{"prompt", flags.prompt}}};
  return ReadJsonLines(flags.input);
}

// Checks each line; what cannot be done becomes an error in its place.
std::vector<Item> MakeRequests(const LoadedPolicy& loaded, const Flags& flags,
                               const std::vector<Json>& lines,
                               std::vector<GenerationRequest>& requests) {
  std::vector<Item> items;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Json& line = lines[i];
    auto ids = PromptIds(loaded, line);
    Item item;
    if (!ids) {
      item.error = ids.error().message;
    } else if (ids->empty()) {
      item.error = "the prompt is empty, expected at least one token";
    } else if (ids->size() + static_cast<std::size_t>(flags.sampling.max_new_tokens) >
               loaded.model.max_positions) {
      item.error =
          fmt::format("prompt of {} tokens and --max-new-tokens {} exceed the context of {}",
                      ids->size(), flags.sampling.max_new_tokens, loaded.model.max_positions);
    } else {
      std::uint64_t index = i;
      if (line.contains("index") && line.at("index").is_number_unsigned()) {
        index = line.at("index").get<std::uint64_t>();
      }
      item.request = requests.size();
      requests.push_back({std::move(*ids), index, flags.num_generations, 0});
    }
    items.push_back(std::move(item));
  }
  return items;
}

// Prints finished lines in the order of the input, as soon as all before them are done.
class OrderedPrinter {
 public:
  OrderedPrinter(const LoadedPolicy& loaded, const std::vector<Item>& items)
      : loaded_(loaded), items_(items) {}

  void Done(std::span<const Completion> completions) {
    PrintErrors();
    for (const Completion& completion : completions) {
      Print(WriteJson(CompletionJson(loaded_, completion)));
    }
    ++next_;
    PrintErrors();
  }
  void PrintErrors() {
    for (; next_ < items_.size() && !items_[next_].request; ++next_) {
      Print(WriteJson(Json{{"error", items_[next_].error}}));
    }
  }
  const Status& status() const { return status_; }

 private:
  void Print(const std::string& line) {
    if (status_) status_ = PrintLine(line);
  }
  const LoadedPolicy& loaded_;
  const std::vector<Item>& items_;
  std::size_t next_ = 0;
  Status status_;
};

Status Run(const Flags& flags) {
  SamplingConfig sampling = flags.sampling;
  if (flags.num_generations < 1) {
    return Usage(
        fmt::format("--num-generations: got {}, expected at least 1", flags.num_generations));
  }
  PAWL_ASSIGN(const std::vector<Json> lines, InputLines(flags));
  PAWL_ASSIGN(const auto loaded, LoadPolicy(flags.policy, TokenizerNeed::kOptional));
  if (std::count(flags.stop.begin(), flags.stop.end(), "") > 0) {
    return Usage("--stop: an empty text, expected at least one character");
  }
  if (!flags.stop.empty() && !loaded->tokenizer) {
    return Usage("--stop: needs a model with tokenizer.json");
  }
  sampling.stop_ids = loaded->model.stop_ids;
  std::vector<GenerationRequest> requests;
  const std::vector<Item> items = MakeRequests(*loaded, flags, lines, requests);
  OrderedPrinter printer(*loaded, items);
  printer.PrintErrors();
  GenerationOptions options;
  std::optional<StopTexts> stop;
  if (!flags.stop.empty()) {
    stop.emplace(*loaded->tokenizer, flags.stop);
    options.stop = [&](std::size_t, std::size_t, std::span<const std::int32_t> ids) {
      return stop->Completes(ids);
    };
  }
  options.done = [&](std::size_t, std::span<const Completion> completions) {
    printer.Done(completions);
  };
  options.cancelled = [&] { return !printer.status().has_value(); };
  PAWL_ASSIGN(const auto ignored,
              Generate(loaded->policy(), loaded->compute(), requests, sampling, options));
  static_cast<void>(ignored);
  return printer.status();
}

}  // namespace

void AddSamplingFlags(CLI::App& verb, SamplingConfig& sampling) {
  verb.add_option("--temperature", sampling.temperature, "sampling temperature (1)");
  verb.add_option("--top-k,--top_k", sampling.top_k, "keep the k likeliest tokens (0: all)");
  verb.add_option("--top-p,--top_p", sampling.top_p, "keep the likeliest tokens of this mass (1)");
  verb.add_option("--min-p,--min_p", sampling.min_p,
                  "drop tokens below this share of the likeliest");
  verb.add_option("--repetition-penalty,--repetition_penalty", sampling.repetition_penalty,
                  "penalty on tokens already present (1: none)");
  verb.add_flag("--greedy", sampling.greedy, "take the likeliest token");
  verb.add_option("--max-new-tokens,--max_new_tokens", sampling.max_new_tokens,
                  "longest completion in tokens (256)");
  verb.add_option("--seed", sampling.seed, "seed of the random numbers (0)");
}

void AddGenerate(CLI::App& app, VerbResult& result) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = AddVerb(app, "generate", "completions of prompts, messages or token ids",
                           "pawl generate starter --prompt 'Ann has 3 apples.' --greedy");
  AddPolicyFlags(*verb, flags->policy);
  verb->add_option("--prompt", flags->prompt, "one prompt; control tokens are recognised");
  verb->add_option("--input", flags->input,
                   "JSON Lines with prompt, messages or ids each (- for standard input)");
  verb->add_option("--num-generations,--num_generations", flags->num_generations,
                   "completions of each prompt (1)");
  AddSamplingFlags(*verb, flags->sampling);
  verb->add_option("--stop", flags->stop, "text that ends a completion (repeatable)")
      ->type_size(1)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb->add_flag("--ignore-eos,--ignore_eos", flags->sampling.ignore_eos,
                 "go on after end-of-sequence tokens");
  verb->add_flag("--json", flags->json, "accepted for uniformity: output is JSON Lines anyway");
  verb->callback([flags, &result] { result.status = Run(*flags); });
}

}  // namespace pawl
