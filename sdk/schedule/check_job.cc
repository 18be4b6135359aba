#include <cmath>

#include "base/strings.h"
#include "schedule/ledger.h"
#include "schedule/policy.h"

namespace attune {
namespace {

// One number of a job; what is no number is refused.
struct Bound {
  const char* name;
  double value, least, most;
};

constexpr double kMost = 1e12;  // Of what has no bound by itself: sums stay exact enough.

Status CheckBounds(const JobPolicy& job, const Bound& bound) {
  if (bound.value >= bound.least && bound.value <= bound.most) return OkStatus();
  return InvalidArgument(StrCat("job '", job.name, "': ", bound.name, " is ", bound.value,
                                ", allowed ", bound.least, " to ", bound.most));
}

Status CheckBudget(const JobPolicy& job, const Budget& budget) {
  const Bound bounds[] = {{"a budget of seconds", budget.wall_seconds, 0, kMost},
                          {"a budget of CPU seconds", budget.cpu_seconds, 0, kMost},
                          {"a budget of joules", budget.energy_joules, 0, kMost}};
  for (const Bound& bound : bounds) ATTUNE_RETURN_IF_ERROR(CheckBounds(job, bound));
  return OkStatus();
}

Status CheckWindow(const JobPolicy& job, const TimeWindow& window) {
  const Bound bounds[] = {
      {"the minute a window begins", static_cast<double>(window.begin_minute), 0, 1439},
      {"the minute a window ends", static_cast<double>(window.end_minute), 0, 1440},
      {"the set of a window's days", static_cast<double>(window.weekdays), 1, 127}};
  for (const Bound& bound : bounds) ATTUNE_RETURN_IF_ERROR(CheckBounds(job, bound));
  return OkStatus();
}

}  // namespace

Status CheckJobPolicy(const JobPolicy& job) {
  if (!IsJobName(job.name)) {
    return InvalidArgument("a job's name has 1 to 64 characters of [a-z0-9._-]");
  }
  const Bound bounds[] = {
      {"min_battery", job.conditions.min_battery, 0, 1},
      {"min_disk_free", static_cast<double>(job.conditions.min_disk_free), 0, 1e18},
      {"min_interval_seconds", job.min_interval_seconds, 0, kMost},
      {"min_new_examples", static_cast<double>(job.min_new_examples), 0, kMost},
      {"deadline_seconds", job.deadline_seconds, 0, kMost},
      {"weight", job.weight, 1e-6, 1e6},
      {"backoff.first_seconds", job.backoff.first_seconds, 0, kMost},
      {"backoff.factor", job.backoff.factor, 1, 1e6},
      {"backoff.max_seconds", job.backoff.max_seconds, 0, kMost},
      {"backoff.jitter", job.backoff.jitter, 0, 1}};
  for (const Bound& bound : bounds) ATTUNE_RETURN_IF_ERROR(CheckBounds(job, bound));
  for (const TimeWindow& window : job.windows) ATTUNE_RETURN_IF_ERROR(CheckWindow(job, window));
  ATTUNE_RETURN_IF_ERROR(CheckBudget(job, job.per_run));
  return CheckBudget(job, job.per_day);
}

}  // namespace attune
