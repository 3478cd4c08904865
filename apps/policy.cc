#include "apps/policy.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

namespace pawl {

void AddThreadFlags(CLI::App& verb, PolicyFlags& flags) {
  verb.add_option("--threads", flags.threads, "threads to compute with (default: all CPUs)");
  verb.add_option("--isa", flags.isa,
                  "instruction set: portable, avx2, avxvnni, avx512 or avx512vnni (default: best)");
}

void AddPolicyFlags(CLI::App& verb, PolicyFlags& flags) {
  verb.add_option("MODEL", flags.model, "Hugging Face folder, stage folder of a run, or starter")
      ->required();
  verb.add_option("--adapter", flags.adapter, "PEFT LoRA folder to put on the model");
  verb.add_option("--precision", flags.precision,
                  "storage of the frozen weights: f32, bf16 or int8 (default: as stored)");
  AddThreadFlags(verb, flags);
}

Result<Machine> OpenMachine(const PolicyFlags& flags) {
  if (flags.threads < 0 || flags.threads > 1024) {
    return Usage(fmt::format("--threads: got {}, expected 1 to 1024", flags.threads));
  }
  Isa isa = BestIsa();
  if (!flags.isa.empty()) {
    PAWL_ASSIGN(isa, ParseIsa(flags.isa));
  }
  const int cpus = AvailableCpus();
  const int threads = flags.threads > 0 ? flags.threads : cpus;
  if (threads > cpus) {
    std::fputs(fmt::format("pawl: warning: {} threads on {} CPUs: the same results, slower\n",
                           threads, cpus)
                   .c_str(),
               stderr);
  }
  Machine machine;
  machine.pool = std::make_unique<ThreadPool>(threads);
  machine.compute = std::make_unique<Compute>(*machine.pool, isa);
  return machine;
}

Result<std::unique_ptr<LoadedPolicy>> LoadPolicy(const PolicyFlags& flags, TokenizerNeed need) {
  const auto start = std::chrono::steady_clock::now();
  auto loaded = std::make_unique<LoadedPolicy>();
  PAWL_ASSIGN(loaded->machine, OpenMachine(flags));
  Precision precision = Precision::kStored;
  if (!flags.precision.empty()) {
    PAWL_ASSIGN(precision, ParsePrecision(flags.precision));
  }
  PAWL_ASSIGN(loaded->located, LocateModel(flags.model, StarterFolder()));
  if (!flags.adapter.empty()) loaded->located.adapter = flags.adapter;
  PAWL_ASSIGN(loaded->model, LoadModel(loaded->located.folder, precision, *loaded->machine.pool));
  if (loaded->located.adapter) {
    PAWL_ASSIGN(loaded->adapter, LoadAdapter(*loaded->located.adapter, loaded->model.config));
  }
  std::error_code ignored;
  const bool present =
      std::filesystem::exists(loaded->located.tokenizer / "tokenizer.json", ignored);
  if (need == TokenizerNeed::kRequired || (need == TokenizerNeed::kOptional && present)) {
    PAWL_ASSIGN(loaded->tokenizer, Tokenizer::Load(loaded->located.tokenizer));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  loaded->load_seconds = seconds.count();
  return loaded;
}

}  // namespace pawl
