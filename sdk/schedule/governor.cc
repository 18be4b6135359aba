#include "schedule/governor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace attune {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kMaxWindow = 3600;
// Rests that were too long are made up for, but for no more than this.
constexpr double kCreditSeconds = 1;
// Use is remembered so long even if no line asks: one may be set later.
constexpr double kRememberSeconds = 600;
// Small pieces of work are remembered together, as used at the end of their span: a
// thousand spans do for any number of steps.
constexpr double kSpans = 1024;
// What stays free below a line for the error of the clocks.
constexpr double kGuard = 0.002;

// After resting for `idle` and then doing what adds `work`: credit is what resting
// leaves, and it never grows above a second's.
double Debt(double debt, double rate, double idle, double work) {
  const double credit = rate * kCreditSeconds;
  return std::max(std::max(debt - rate * idle, -credit) + work, -credit);
}
double Allowed(const CpuLine& line) { return line.share * line.window_seconds * (1 - kGuard); }

Status CheckDuty(double duty, const char* name) {
  if (duty >= 0.01 && duty <= 1) return OkStatus();
  return InvalidArgument(StrCat(name, " is ", duty, ", allowed 0.01 to 1"));
}

}  // namespace

Status CheckGovernorOptions(const GovernorOptions& options) {
  for (const CpuLine& line : options.lines) {
    if (!(line.window_seconds > 0 && line.window_seconds <= kMaxWindow)) {
      return InvalidArgument(
          StrCat("a CPU line over ", line.window_seconds, " s, allowed above 0 to ", kMaxWindow));
    }
    if (!(line.share > 0 && std::isfinite(line.share))) {
      return InvalidArgument(StrCat("a CPU line of ", line.share, ", allowed above 0"));
    }
  }
  if (!(options.margin >= 0 && options.margin <= 0.9)) {
    return InvalidArgument(StrCat("margin is ", options.margin, ", allowed 0 to 0.9"));
  }
  ATTUNE_RETURN_IF_ERROR(CheckDuty(options.duty_nominal, "duty_nominal"));
  ATTUNE_RETURN_IF_ERROR(CheckDuty(options.duty_fair, "duty_fair"));
  return CheckDuty(options.duty_memory_warning, "duty_memory_warning");
}

Governor::Governor(GovernorOptions options) : options_(std::move(options)) {
  ATTUNE_CHECK(CheckGovernorOptions(options_).ok());
}

void Governor::SetOptions(GovernorOptions options) {
  ATTUNE_CHECK(CheckGovernorOptions(options).ok());
  options_ = std::move(options);
}

void Governor::SetFacts(const DeviceFacts& facts) { facts_ = facts; }

void Governor::Begin(double now, double cpu_seconds) {
  begun_ = true;
  now_ = now;
  cpu_seconds_ = cpu_seconds;
}

double Governor::AfterWork(double now, double cpu_seconds, double wall) {
  wall = std::max(wall, 0.0);
  if (!begun_) Begin(now - wall, cpu_seconds - wall);
  const double elapsed = std::max(now - now_, 0.0);
  const double used = std::max(cpu_seconds - cpu_seconds_, 0.0);
  Remember(now_, now_ + elapsed, used);
  now_ += elapsed;
  cpu_seconds_ = std::max(cpu_seconds, cpu_seconds_);

  const double busy = std::min(wall, elapsed), idle = elapsed - busy;
  wall_debt_ = Debt(wall_debt_, duty(), idle, wall - duty() * busy);
  double rest = std::max(wall_debt_, 0.0) / duty();

  const double share = target_share();
  if (!LinesInForce()) {
    cpu_debt_ = 0;
    return rest;
  }
  // Once the longest window is over, no line remembers what was used before it.
  cpu_debt_ = std::min(Debt(cpu_debt_, share, idle, used - share * busy), share * LongestWindow());
  rest = std::max(rest, cpu_debt_ / share);
  for (const CpuLine& line : options_.lines) rest = std::max(rest, RestBelow(line));
  return rest;
}

void Governor::Remember(double begin, double end, double cpu) {
  const double keep = std::max(LongestWindow(), kRememberSeconds);
  while (!spans_.empty() && spans_.front().end < end - keep) spans_.pop_front();
  if (cpu <= 0) return;
  if (spans_.empty() || end - spans_.back().begin > keep / kSpans) {
    spans_.push_back({begin, end, cpu, cpu});
    return;
  }
  Span& last = spans_.back();
  last.end = end;
  last.cpu += cpu;
  last.longest = std::max(last.longest, cpu);
}

double Governor::RestBelow(const CpuLine& line) const {
  double used = 0, next = LongestStep();  // In the window, and by the next piece of work.
  for (auto span = spans_.rbegin(); span != spans_.rend(); ++span) {
    const double leaves = span->end + line.window_seconds - now_;
    if (leaves <= 0) break;
    used += span->cpu;
    next = std::max(next, span->longest);
    if (used + next > Allowed(line)) return leaves;
  }
  return 0;
}

bool Governor::LinesInForce() const {
  return !options_.lines.empty() &&
         (options_.lines_on_external_power || facts_.power != PowerSource::kExternal);
}

double Governor::LongestWindow() const {
  double longest = 0;
  for (const CpuLine& line : options_.lines) longest = std::max(longest, line.window_seconds);
  return longest;
}

double Governor::target_share() const {
  double share = kInfinity;
  if (!LinesInForce()) return share;
  for (const CpuLine& line : options_.lines) share = std::min(share, line.share);
  return share * (1 - options_.margin);
}

double Governor::duty() const {
  double duty = options_.duty_nominal;
  if (facts_.thermal != ThermalState::kNominal) duty = std::min(duty, options_.duty_fair);
  if (facts_.memory_pressure != MemoryPressure::kNormal) {
    duty = std::min(duty, options_.duty_memory_warning);
  }
  return duty;
}

double Governor::LongestStep() const {
  const double share = target_share();
  double longest = kInfinity;
  if (!LinesInForce()) return longest;
  for (const CpuLine& line : options_.lines) {
    longest = std::min(longest, Allowed(line) - share * line.window_seconds);
  }
  return std::max(longest - share * kCreditSeconds, 0.0);
}

}  // namespace attune
