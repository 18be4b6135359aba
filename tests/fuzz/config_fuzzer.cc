// Any bytes as a configuration: an error of one printable line with the file's name in
// front, or a configuration that keeps what the reader promises.

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"
#include "config/config.h"

namespace attune {
namespace {

void CheckError(const std::string& message) {
  constexpr std::size_t kLongest = 600;
  ATTUNE_CHECK(message.rfind("f.yaml:", 0) == 0 && message.size() <= kLongest);
  for (const char c : message) ATTUNE_CHECK(c >= 0x20 && c < 0x7F);
}

void CheckPolicy(const JobPolicy& policy) {
  ATTUNE_CHECK(!policy.name.empty() && policy.name.size() <= 64);
  for (const TimeWindow& window : policy.windows) {
    ATTUNE_CHECK(window.begin_minute >= 0 && window.begin_minute < 24 * 60);
    ATTUNE_CHECK(window.end_minute >= 0 && window.end_minute <= 24 * 60);
    ATTUNE_CHECK(window.begin_minute != window.end_minute && window.weekdays != 0);
  }
  for (const double value : {policy.min_interval_seconds, policy.deadline_seconds, policy.weight,
                             policy.per_run.wall_seconds, policy.per_day.energy_joules,
                             policy.backoff.first_seconds, policy.backoff.max_seconds}) {
    ATTUNE_CHECK(std::isfinite(value) && value >= 0);
  }
  ATTUNE_CHECK(policy.conditions.min_battery >= 0 && policy.conditions.min_battery <= 1);
  ATTUNE_CHECK(policy.conditions.min_disk_free >= 0);
}

void CheckBytes(std::string_view bytes) {
  const auto config = ParseConfig(bytes, "f.yaml", "/app");
  if (!config.ok()) return CheckError(config.status().message());
  std::set<std::string> names;
  for (const NightJob& job : config->night.jobs) {
    CheckPolicy(job.policy);
    ATTUNE_CHECK(names.insert(job.policy.name).second);
    ATTUNE_CHECK(!job.adaptation.model.empty() && !job.adaptation.vault.empty());
    ATTUNE_CHECK(job.run.training.rank > 0 && job.run.training.steps > 0);
  }
  for (const NightJob& job : config->night.jobs) {
    for (const std::string& other : job.policy.after) ATTUNE_CHECK(names.contains(other));
  }
  ATTUNE_CHECK(!names.empty() && !config->night.vault.empty());
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::CheckBytes(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
