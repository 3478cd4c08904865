// The flags that verbs share to name a model, and the model they load.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "model/locate.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"

namespace pawl {

struct PolicyFlags {
  std::string model, adapter, precision, isa;
  int threads = 0;  // 0: all available CPUs
};
void AddThreadFlags(CLI::App& verb, PolicyFlags& flags);  // --threads, --isa
void AddPolicyFlags(CLI::App& verb,
                    PolicyFlags& flags);  // MODEL, --adapter, --precision, and those

// The threads and instruction set of a command.
struct Machine {
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Compute> compute;
};
Result<Machine> OpenMachine(const PolicyFlags& flags);

struct LoadedPolicy {
  Machine machine;
  LocatedModel located;
  Model model;
  std::optional<Adapter> adapter;
  std::optional<Tokenizer> tokenizer;
  double load_seconds = 0;

  Policy policy() const { return {model, adapter ? &*adapter : nullptr}; }
  const Compute& compute() const { return *machine.compute; }
};

// kOptional: a folder without tokenizer.json gives none.
enum class TokenizerNeed { kNone, kOptional, kRequired };
Result<std::unique_ptr<LoadedPolicy>> LoadPolicy(const PolicyFlags& flags, TokenizerNeed need);

}  // namespace pawl
