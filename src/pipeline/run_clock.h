// Time of a run over all its sessions, and the limit that the configuration sets.  Decides when no
// step may start any more; changes nothing else.
#pragma once

#include "base/error.h"
#include "pipeline/config.h"

namespace pawl {

double SteadySeconds();  // monotonic

// Seconds from now to the next time that local clocks show "HH:MM"; kUsage for another form.
Result<double> SecondsUntil(const std::string& time_of_day);

class RunClock {
 public:
  // before: seconds of the run's earlier sessions, which count towards time_limit.
  static Result<RunClock> Make(const RunSection& run, double before);

  double Elapsed() const { return before_ + SteadySeconds() - start_; }
  // Whether something that takes `seconds` would end after the limit.
  bool TimeUp(double seconds) const { return Elapsed() + seconds > limit_; }

 private:
  RunClock(double before, double limit) : before_(before), start_(SteadySeconds()), limit_(limit) {}
  double before_, start_, limit_;
};

}  // namespace pawl
