// Where the time of a step goes, measured on the thread that asks for it: each moment belongs to
// one part of the step and one kind of work.  Off unless a ProfileSession is alive on this thread;
// then a change of part or kind costs one look at the clock (some 25 ns).
#pragma once

#include <string>
#include <vector>

namespace pawl {

enum class Part { kElsewhere, kPrefill, kDecode, kSample, kForward, kBackward, kHead, kOptimizer };
enum class Kind {
  kOther,
  kLinear,
  kLinearInputs,   // gradients of inputs
  kLinearWeights,  // gradients of weights
  kAdapter,        // LoRA, its products included
  kAttention,
  kNorm,
  kRope,
  kSwiglu,
  kSoftmax,  // log-probabilities, entropies, their gradients, sampling
};

struct ProfileRow {
  std::string part, kind;
  double seconds = 0;
  long long times = 0;  // how often it was entered
};

// The innermost part counts.
class ProfilePart {
 public:
  explicit ProfilePart(Part part);
  ~ProfilePart();
  ProfilePart(const ProfilePart&) = delete;
  ProfilePart& operator=(const ProfilePart&) = delete;

 private:
  Part before_ = Part::kElsewhere;
};

// The outermost kind counts: what an adapter multiplies is the adapter's time.
class ProfileKind {
 public:
  explicit ProfileKind(Kind kind);
  ~ProfileKind();
  ProfileKind(const ProfileKind&) = delete;
  ProfileKind& operator=(const ProfileKind&) = delete;

 private:
  Kind before_ = Kind::kOther;
};

class ProfileSession {
 public:
  ProfileSession();
  ~ProfileSession();
  ProfileSession(const ProfileSession&) = delete;
  ProfileSession& operator=(const ProfileSession&) = delete;

  // So far, longest first; the rows add up to the time since the session began or was cleared.
  std::vector<ProfileRow> Rows() const;
  void Clear();
};

}  // namespace pawl
