// A training job as its owner configures it: when it may run, under which
// conditions, and how much it may use.
//
// Threads: values.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace attune {

// Part of a day, local time. An end at or before the begin lies in the next day.
struct TimeWindow {
  int begin_minute = 0;         // Since midnight, 0 to 1439.
  int end_minute = 24 * 60;     // 0 to 1440, not included.
  std::uint8_t weekdays = 127;  // Bit 0: Monday. Of the day on which it begins.
  bool operator==(const TimeWindow&) const = default;
};

// What must hold while a job runs.
struct Conditions {
  bool external_power = true;
  double min_battery = 0.3;  // 0 to 1; where there is a battery.
  bool allow_low_power_mode = false;
  bool user_idle = true;
  bool allow_foreground = false;
  std::int64_t min_disk_free = std::int64_t{256} << 20;  // Bytes.
  bool operator==(const Conditions&) const = default;
};

// How much may be used, or was. As a limit 0 means none.
struct Budget {
  double wall_seconds = 0;
  double cpu_seconds = 0;
  double energy_joules = 0;  // As estimated.
  bool operator==(const Budget&) const = default;
};

// How long to wait after failures in a row: first * factor^(n-1), at most max, less
// a random part.
struct Backoff {
  double first_seconds = 600;
  double factor = 2;
  double max_seconds = 24 * 3600;
  double jitter = 0.2;  // Of the wait, 0 to 1.
  bool operator==(const Backoff&) const = default;
};

struct JobPolicy {
  std::string name;  // [a-z0-9._-], 1 to 64 characters.
  bool enabled = true;

  // --- When ---

  std::vector<TimeWindow> windows;  // Empty: any time.
  Conditions conditions;
  // From the end of a finished run to the next one.
  double min_interval_seconds = 12 * 3600;
  std::int64_t min_new_examples = 20;
  // Jobs that must have finished a run since this one last did.
  std::vector<std::string> after;
  // Once so long has passed since the last finished run (or since the job was first
  // seen), `min_interval_seconds` is waived, one new example is enough and the job
  // goes before others. 0: never.
  double deadline_seconds = 0;

  // --- How much ---

  Budget per_run;  // And night, from noon to noon: a longer run goes on in the next.
  Budget per_day;  // Since local midnight.
  // Share of the device's training time that this job gets when several want it.
  double weight = 1;
  int priority = 0;  // A higher one goes first; shares are among equal ones.
  Backoff backoff;

  bool operator==(const JobPolicy&) const = default;
};

}  // namespace attune
