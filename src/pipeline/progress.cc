#include "pipeline/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace pawl {
namespace {

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

constexpr int kBar = 20;
constexpr double kPlainSeconds = 10;  // between plain lines

}  // namespace

std::string DurationText(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

Progress::Progress(bool enabled) : enabled_(enabled), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { Erase(); }

void Progress::Erase() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Progress::Line(const std::string& text) {
  if (!enabled_) return;
  Erase();
  std::fputs((text + "\n").c_str(), stderr);
  std::fflush(stderr);
}

void Progress::Update(const Step& s) {
  if (!enabled_) return;
  const bool last = s.step >= s.total;
  if (!terminal_ && !last && Now() - last_plain_ < kPlainSeconds) return;
  last_plain_ = Now();
  std::string text = fmt::format("{:<14}", s.stage);
  if (terminal_) {
    const int filled = s.total > 0 ? s.step * kBar / s.total : kBar;
    text += fmt::format(" [{}{}]", std::string(static_cast<std::size_t>(filled), '#'),
                        std::string(static_cast<std::size_t>(kBar - filled), '.'));
  }
  text += fmt::format(" {}/{}", s.step, s.total);
  text += s.reward >= 0 ? fmt::format("  reward {:.3f}", s.reward)
                        : fmt::format("  loss {:.3f}", s.loss);
  if (s.accuracy >= 0) text += fmt::format("  validation {:.1f} %", 100 * s.accuracy);
  if (s.tokens_per_second > 0) text += fmt::format("  {:.0f} tok/s", s.tokens_per_second);
  if (s.seconds_left >= 0) text += fmt::format("  {} left", DurationText(s.seconds_left));
  if (terminal_) {
    std::fputs(("\r\033[K" + text).c_str(), stderr);
    drawn_ = true;
  } else {
    std::fputs((text + "\n").c_str(), stderr);
  }
  std::fflush(stderr);
}

}  // namespace pawl
