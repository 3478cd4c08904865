#include "train/accumulate.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/profile.h"

namespace pawl {

struct TrainBuffers {
  TrainBuffers(const ModelConfig& config, Saving saving)
      : cache(config), prompt_saved(saving), slice_saved(saving) {}

  KvCache cache;
  Scratch scratch;
  SavedActivations prompt_saved, slice_saved;
  AlignedBuffer<float> hidden, dhidden;
  std::vector<std::int32_t> ids, targets;
  std::vector<float> coefficients, log_probs, entropies;
};

std::size_t SliceRows(const Policy& policy, Saving saving) {
  const std::size_t row = ActivationBytesPerRow(policy.model.config, policy.adapter, saving);
  const std::size_t most = saving == Saving::kRecompute ? 512 : 4096;
  return std::clamp<std::size_t>(kSliceBytes / std::max<std::size_t>(row, 1), 128, most);
}

void TrainBuffersDelete::operator()(TrainBuffers* buffers) const { delete buffers; }

TrainBuffersPtr MakeTrainBuffers(const Model& model, Saving saving) {
  return TrainBuffersPtr(new TrainBuffers(model.config, saving));
}

namespace {

MatrixView<float> Grow(AlignedBuffer<float>& buffer, std::size_t rows, std::size_t cols) {
  if (buffer.size() < rows * cols) buffer = AlignedBuffer<float>(rows * cols);
  return {buffer.data(), rows, cols};
}

// What one call works on; lives on the stack of AccumulateGradients.
class Accumulation {
 public:
  Accumulation(const Policy& policy, const Compute& compute, std::span<const GroupTask> groups,
               const AccumulateOptions& options, TrainBuffers& buffers, const Gradients& gradients)
      : policy_(policy),
        compute_(compute),
        groups_(groups),
        options_(options),
        buffers_(buffers),
        gradients_(gradients),
        training_(gradients.weights != nullptr || gradients.adapter != nullptr) {}

  bool Run() {
    if (Cancelled()) return false;
    ForwardPrompts();
    std::vector<Member> slice;
    std::size_t rows = 0;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      for (const CompletionTask& completion : groups_[g].completions) {
        if (completion.ids.empty()) continue;
        if (!slice.empty() && rows + completion.ids.size() > options_.slice_rows) {
          if (Cancelled()) return false;
          RunSlice(slice, rows);
          slice.clear();
          rows = 0;
        }
        slice.push_back({g, &completion});
        rows += completion.ids.size();
      }
    }
    if (Cancelled()) return false;
    if (!slice.empty()) RunSlice(slice, rows);
    if (Cancelled()) return false;
    if (training_) BackwardPrompts();
    return true;
  }

 private:
  struct Member {
    std::size_t group;
    const CompletionTask* completion;
  };

  bool Cancelled() const { return options_.cancelled && options_.cancelled(); }
  std::size_t Width() const { return policy_.model.config.hidden_size; }

  // The prompt's last token goes with each completion, since the first completion token is read
  // from its row; the tokens before it are shared.
  void ForwardPrompts() {
    std::size_t rows = 0;
    sequences_.reserve(groups_.size());
    for (const GroupTask& group : groups_) {
      PAWL_CHECK(!group.prompt.empty());
      sequences_.emplace_back(buffers_.cache);
      rows += group.prompt.size() - 1;
    }
    if (rows == 0) return;
    prompt_ids_.reserve(rows);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const auto shared = groups_[g].prompt.first(groups_[g].prompt.size() - 1);
      if (shared.empty()) continue;
      prompt_rows_.push_back({prompt_ids_.size(), shared.size(), &sequences_[g]});
      prompt_groups_.push_back(g);
      prompt_ids_.insert(prompt_ids_.end(), shared.begin(), shared.end());
    }
    const ProfilePart part(Part::kForward);
    Forward(policy_, compute_, prompt_ids_, prompt_rows_, buffers_.scratch,
            training_ ? &buffers_.prompt_saved : nullptr, Grow(buffers_.hidden, rows, Width()));
    if (!training_) return;
    prefix_.resize(groups_.size());
    for (const std::size_t g : prompt_groups_) {
      prefix_[g].emplace(policy_.model.config, groups_[g].prompt.size() - 1);
    }
  }

  void RunSlice(std::span<const Member> slice, std::size_t rows) {
    const ProfilePart part(Part::kForward);
    GatherSlice(slice, rows);
    std::vector<KvSequence> caches;
    caches.reserve(slice.size());
    std::vector<SequenceRows> sequences;
    std::size_t row = 0;
    for (const Member& member : slice) {
      caches.push_back(sequences_[member.group].Fork());
      sequences.push_back({row, member.completion->ids.size(), &caches.back()});
      row += member.completion->ids.size();
    }
    const MatrixView<float> hidden = Grow(buffers_.hidden, rows, Width());
    Forward(policy_, compute_, buffers_.ids, sequences, buffers_.scratch,
            training_ ? &buffers_.slice_saved : nullptr, hidden);
    const HeadScores scores{buffers_.log_probs, buffers_.entropies, {}};
    if (!training_) {
      HeadForward(policy_, compute_, hidden, buffers_.targets, options_.inverse_temperature,
                  buffers_.scratch, scores);
    } else {
      const MatrixView<float> dhidden = Grow(buffers_.dhidden, rows, Width());
      HeadForwardBackward(policy_, compute_, hidden, buffers_.targets, options_.inverse_temperature,
                          buffers_.coefficients, {}, buffers_.scratch, scores, dhidden, gradients_);
      std::vector<BackwardRows> backward;
      for (std::size_t i = 0; i < slice.size(); ++i) {
        auto& prefix = prefix_.empty() ? none_ : prefix_[slice[i].group];
        backward.push_back({sequences[i], prefix ? &*prefix : nullptr, nullptr});
      }
      Backward(policy_, compute_, buffers_.ids, backward, buffers_.slice_saved, buffers_.scratch,
               dhidden, gradients_);
    }
    ScatterScores(slice);
  }

  void GatherSlice(std::span<const Member> slice, std::size_t rows) {
    buffers_.ids.clear();
    buffers_.targets.clear();
    buffers_.coefficients.clear();
    for (const Member& member : slice) {
      const auto& ids = member.completion->ids;
      PAWL_CHECK(!training_ || member.completion->dloss_dlogp.size() == ids.size());
      buffers_.ids.push_back(groups_[member.group].prompt.back());
      buffers_.ids.insert(buffers_.ids.end(), ids.begin(), ids.end() - 1);
      buffers_.targets.insert(buffers_.targets.end(), ids.begin(), ids.end());
      const auto& coefficients = member.completion->dloss_dlogp;
      buffers_.coefficients.insert(buffers_.coefficients.end(), coefficients.begin(),
                                   coefficients.end());
    }
    buffers_.log_probs.resize(rows);
    buffers_.entropies.resize(rows);
  }

  void ScatterScores(std::span<const Member> slice) {
    std::size_t row = 0;
    for (const Member& member : slice) {
      const std::size_t count = member.completion->ids.size();
      const auto copy = [&](const std::vector<float>& from, std::span<float> to) {
        if (!to.empty()) std::copy_n(from.begin() + static_cast<long>(row), count, to.begin());
      };
      copy(buffers_.log_probs, member.completion->log_probs);
      copy(buffers_.entropies, member.completion->entropies);
      row += count;
    }
  }

  void BackwardPrompts() {
    if (prompt_rows_.empty()) return;
    const MatrixView<float> dhidden = Grow(buffers_.dhidden, prompt_ids_.size(), Width());
    std::memset(dhidden.data(), 0, prompt_ids_.size() * Width() * sizeof(float));
    std::vector<BackwardRows> backward;
    for (std::size_t i = 0; i < prompt_rows_.size(); ++i) {
      backward.push_back({prompt_rows_[i], nullptr, &*prefix_[prompt_groups_[i]]});
    }
    Backward(policy_, compute_, prompt_ids_, backward, buffers_.prompt_saved, buffers_.scratch,
             dhidden, gradients_);
  }

  const Policy& policy_;
  const Compute& compute_;
  std::span<const GroupTask> groups_;
  const AccumulateOptions& options_;
  TrainBuffers& buffers_;
  const Gradients& gradients_;
  const bool training_;

  std::vector<KvSequence> sequences_;  // per group: the shared part of its prompt
  std::vector<std::int32_t> prompt_ids_;
  std::vector<SequenceRows> prompt_rows_;
  std::vector<std::size_t> prompt_groups_;  // group of each entry of prompt_rows_
  std::vector<std::optional<PrefixGradients>> prefix_;
  std::optional<PrefixGradients> none_;
};

}  // namespace

bool AccumulateGradients(const Policy& policy, const Compute& compute,
                         std::span<const GroupTask> groups, const AccumulateOptions& options,
                         TrainBuffers& buffers, const Gradients& gradients) {
  return Accumulation(policy, compute, groups, options, buffers, gradients).Run();
}

}  // namespace pawl
