#include "base/profile.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/check.h"

namespace pawl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array kPartNames = {
    "elsewhere", "prefill",  "decode",        "decode: head and sampling",
    "forward",   "backward", "head and loss", "optimizer"};
constexpr std::array kKindNames = {"other",   "linear",    "linear, inputs", "linear, weights",
                                   "adapter", "attention", "norm",           "rope",
                                   "swiglu",  "softmax"};

struct Cell {
  Clock::duration time{};
  long long times = 0;
};

struct State {
  bool on = false;
  Part part = Part::kElsewhere;
  Kind kind = Kind::kOther;
  Clock::time_point since;
  std::array<std::array<Cell, kKindNames.size()>, kPartNames.size()> cells{};

  Cell& Now() { return cells[static_cast<std::size_t>(part)][static_cast<std::size_t>(kind)]; }
  // The time up to now belongs to where we were.
  void Settle() {
    const auto now = Clock::now();
    Now().time += now - since;
    since = now;
  }
  void Move(Part to_part, Kind to_kind, bool entered) {
    Settle();
    part = to_part;
    kind = to_kind;
    if (entered) ++Now().times;
  }
};

thread_local State state;

}  // namespace

ProfilePart::ProfilePart(Part part) {
  if (!state.on) return;
  before_ = state.part;
  state.Move(part, state.kind, true);
}
ProfilePart::~ProfilePart() {
  if (state.on) state.Move(before_, state.kind, false);
}

ProfileKind::ProfileKind(Kind kind) {
  if (!state.on) return;
  before_ = state.kind;
  if (before_ == Kind::kOther) state.Move(state.part, kind, true);
}
ProfileKind::~ProfileKind() {
  if (state.on && before_ == Kind::kOther) state.Move(state.part, before_, false);
}

ProfileSession::ProfileSession() {
  PAWL_CHECK(!state.on);
  state = State{};
  state.on = true;
  state.since = Clock::now();
}
ProfileSession::~ProfileSession() { state.on = false; }

std::vector<ProfileRow> ProfileSession::Rows() const {
  state.Settle();
  std::vector<ProfileRow> rows;
  for (std::size_t p = 0; p < kPartNames.size(); ++p) {
    for (std::size_t k = 0; k < kKindNames.size(); ++k) {
      const Cell& cell = state.cells[p][k];
      const double seconds = std::chrono::duration<double>(cell.time).count();
      if (seconds > 0) rows.push_back({kPartNames[p], kKindNames[k], seconds, cell.times});
    }
  }
  std::sort(rows.begin(), rows.end(),
            [](const ProfileRow& a, const ProfileRow& b) { return a.seconds > b.seconds; });
  return rows;
}

void ProfileSession::Clear() {
  state.Settle();
  state.cells = {};
}

}  // namespace pawl
