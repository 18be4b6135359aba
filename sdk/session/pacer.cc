#include "session/pacer.h"

#include <algorithm>

namespace attune {

Pacer::Pacer(Clock& clock, const GovernorOptions& options)
    : clock_(clock), governor_(options), worked_from_(clock.MonotonicSeconds()) {
  governor_.Begin(worked_from_, clock.ProcessCpuSeconds());
}

double Pacer::EndPiece() {
  const double now = Now();
  const double worked = now - worked_from_;
  worked_from_ = now;
  return governor_.AfterWork(now, clock_.ProcessCpuSeconds(), worked);
}

double Pacer::RestLeft() { return governor_.AfterWork(Now(), clock_.ProcessCpuSeconds(), 0); }

void Pacer::SleepUntil(double until, FunctionRef<bool()> go_on) {
  // A sleep shorter than a clock can tell would never get there.
  constexpr double kLeast = 1e-6;
  const double begin = Now();
  for (double now = begin; now < until && go_on(); now = Now()) {
    clock_.Sleep(std::clamp(until - now, kLeast, kRestPieceSeconds));
  }
  worked_from_ = Now();
  rested_ += worked_from_ - begin;
}

}  // namespace attune
