#include "schedule/cadence.h"

#include <algorithm>

namespace attune {
namespace {

constexpr double kHeadroom = 1.25;  // The next one over the slowest of late.
constexpr double kUnmeasured = 1;   // Seconds; measured ones were 0.01 to 1.

}  // namespace

void Cadence::Slowest::Add(double seconds) {
  seconds_[count_ % kOfLate] = std::max(seconds, 0.0);
  ++count_;
}

double Cadence::Slowest::Estimate() const {
  if (count_ == 0) return kUnmeasured;
  const auto end = seconds_.begin() + static_cast<std::ptrdiff_t>(std::min(count_, kOfLate));
  return kHeadroom * *std::max_element(seconds_.begin(), end);
}

Cadence::Cadence(double max_loss_seconds) : max_loss_seconds_(max_loss_seconds) {}

void Cadence::Began() { unsaved_seconds_ = 0; }

void Cadence::Stepped(double seconds, double tested_seconds) {
  unsaved_seconds_ += std::max(seconds, 0.0) + std::max(tested_seconds, 0.0);
  steps_.Add(seconds);
}

void Cadence::Saved(double seconds) {
  unsaved_seconds_ = 0;
  saves_.Add(seconds);
}

bool Cadence::IsDue() const {
  return unsaved_seconds_ > 0 &&
         unsaved_seconds_ + step_seconds() + save_seconds() > max_loss_seconds_;
}

bool Cadence::MustStop(double now, double deadline) const {
  return now + step_seconds() + save_seconds() > deadline;
}

}  // namespace attune
