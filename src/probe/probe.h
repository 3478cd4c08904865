// Measurements on the models of a run, after it: what its own records cannot tell.
#pragma once

#include <filesystem>
#include <functional>

#include "base/error.h"
#include "kernels/compute.h"

namespace pawl {

struct ProbeOptions {
  std::size_t problems = 60;    // test problems, and training problems of each stage, at most
  int samples = 4;              // answers each at the training temperature
  std::function<int()> signal;  // the number of a signal that asks to stop; 0: none
};
// Writes probe.json into the run's folder: base, each stage's candidate and the final model, with
//   problems: {"id","level","share","first"} on the same test problems with the same random numbers
//   kl_base: per answer, mean log p(model) - log p(base) of its tokens (nats; an estimate of the
//   KL) general_text: log-likelihood per token of each built-in sentence (nats) train_shares,
//   unseen_shares: shares of right answers on the stage's training problems and on
//     test problems of its level
//   train_solution_gain, unseen_solution_gain: log-likelihood per token of their solutions, model
//     less base (nats)
//   renumbered_solution_gain: {"original","changed"}: the same of training problems and of the same
//     problems with other numbers (data/renumber.h), pair by pair, where that can be done
//   distance_base, distance_previous: Frobenius norm of the change over that of the base's weights
//   lora: {"r","modules","effective_rank"}: participation ratio (sum s^2)^2 / sum s^4 of the
//     singular values of B A, mean over modules that changed
// Needs the base model and data of config.resolved.toml; a run from random weights is kUsage.
// Stopped by a signal it writes nothing.
Status ProbeRun(const std::filesystem::path& run, const ProbeOptions& options,
                const Compute& compute);

}  // namespace pawl
