#include "cli/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/strings.h"

namespace attune {
namespace {

constexpr int kCells = 24;
constexpr double kRedrawSeconds = 0.1;
// Of the newest loss in the shown one: steps of a few messages are noisy.
constexpr double kSmoothing = 0.1;

double Now() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace

std::string ClockText(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::max(seconds, 0.0) + 0.5);
  char text[32];
  if (whole >= 3600) {
    std::snprintf(text, sizeof text, "%lld:%02d:%02d", static_cast<long long>(whole / 3600),
                  static_cast<int>(whole / 60 % 60), static_cast<int>(whole % 60));
  } else {
    std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(whole / 60),
                  static_cast<int>(whole % 60));
  }
  return text;
}

ProgressBar::ProgressBar(std::FILE* out, const std::string& name)
    : out_(out), name_(name.empty() ? "" : name + "  "), terminal_(isatty(fileno(out)) != 0) {
  start_ = Now();
}

void ProgressBar::Show(const TrainingEvent& event) {
  if (first_step_ == 0) {
    first_step_ = event.step;
    smoothed_loss_ = event.loss;
    start_ -= event.seconds;
  }
  if (!event.skipped) smoothed_loss_ += kSmoothing * (event.loss - smoothed_loss_);
  if (event.has_held_out_loss) {
    held_out_loss_ = event.held_out_loss;
    has_held_out_loss_ = true;
  }
  if (terminal_) {
    const double now = Now();
    if (event.step < event.steps && now - last_drawn_ < kRedrawSeconds) return;
    last_drawn_ = now;
    Draw(event);
  } else if (event.has_held_out_loss || event.skipped) {
    Draw(event);
  }
}

void ProgressBar::Draw(const TrainingEvent& event) {
  const double elapsed = Now() - start_;
  const auto done = static_cast<double>(event.step - first_step_ + 1);
  const auto left = static_cast<double>(event.steps - event.step);
  char figures[160];
  std::snprintf(figures, sizeof figures, "%lld/%lld  loss %.3f", static_cast<long long>(event.step),
                static_cast<long long>(event.steps), smoothed_loss_);
  std::string line = name_ + figures;
  if (has_held_out_loss_) {
    std::snprintf(figures, sizeof figures, "  held out %.3f", held_out_loss_);
    line += figures;
  }
  std::snprintf(figures, sizeof figures, "  %.0f tokens/s  %s, %s left", event.tokens_per_second,
                ClockText(elapsed).c_str(), ClockText(elapsed / done * left).c_str());
  line += figures;
  if (event.skipped) line += StrCat("  skipped: ", event.reason);
  if (!terminal_) {
    std::fprintf(out_, "step %s\n", line.c_str());
    return;
  }
  const auto filled =
      static_cast<std::size_t>(kCells * event.step / std::max<std::int64_t>(event.steps, 1));
  std::string bar(std::min<std::size_t>(filled, kCells), '#');
  bar.resize(kCells, '.');
  std::fprintf(out_, "\r[%s] %s\x1b[K", bar.c_str(), line.c_str());
  std::fflush(out_);
}

void ProgressBar::Finish() {
  if (terminal_ && first_step_ != 0) std::fputc('\n', out_);
}

}  // namespace attune
