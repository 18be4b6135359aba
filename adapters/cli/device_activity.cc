#include "cli/device_activity.h"

#include <algorithm>
#include <cstdio>

namespace attune {

DeviceActivity::DeviceActivity(const DefaultPlatform& platform) : platform_(platform) {
  if (const auto* engine = platform.neural_engine()) before_ = engine->activity();
}

DeviceActivity::Since DeviceActivity::Measure() const {
  Since since{};
  since.now = platform_.neural_engine()->activity();
  const ane::DeviceCounters &now = since.now.device, &before = before_.device;
  since.evaluations = now.evaluations - before.evaluations;
  since.compiles = now.compiles - before.compiles;
  since.loads = now.loads - before.loads;
  since.runs = since.now.runs - before_.runs;
  since.fallbacks = since.now.fallbacks - before_.fallbacks;
  const auto each = static_cast<double>(std::max<std::int64_t>(since.runs, 1));
  since.milliseconds = (now.predicted_seconds - before.predicted_seconds) * 1e3 / each;
  since.joules = (now.predicted_joules - before.predicted_joules) / each;
  return since;
}

void DeviceActivity::WarnOfFallbacks(const Since& since) const {
  if (since.fallbacks == 0) return;
  std::fprintf(stderr, "attune: the CPU computed instead of %s, %lld programs of the model: %s\n",
               platform_.neural_engine()->name().data(), static_cast<long long>(since.fallbacks),
               since.now.fallback_reason.c_str());
}

void DeviceActivity::Print() const {
  if (platform_.neural_engine() == nullptr) return;
  const Since since = Measure();
  WarnOfFallbacks(since);
  std::printf("device        %s: %lld programs, %lld compiled, %lld loaded; %lld evaluations\n",
              platform_.neural_engine()->name().data(),
              static_cast<long long>(since.now.most_programs),
              static_cast<long long>(since.compiles), static_cast<long long>(since.loads),
              static_cast<long long>(since.evaluations));
  if (since.milliseconds == 0) return;  // Hardware: it takes what it takes.
  std::printf("predicted     %.2f ms and %.4f J of the device a run, %lld runs\n",
              since.milliseconds, since.joules, static_cast<long long>(since.runs));
}

void DeviceActivity::Add(JsonLine* line) const {
  if (platform_.neural_engine() == nullptr) return;
  const Since since = Measure();
  WarnOfFallbacks(since);
  line->Add("device", std::string(platform_.neural_engine()->name()));
  line->Add("device_runs", since.runs).Add("device_programs", since.now.most_programs);
  line->Add("device_compiles", since.compiles).Add("device_loads", since.loads);
  line->Add("device_evaluations", since.evaluations);
  line->Add("device_cache_hits", since.now.cache_hits - before_.cache_hits);
  line->Add("device_evictions", since.now.evictions - before_.evictions);
  line->Add("device_fallbacks", since.fallbacks);
  if (since.fallbacks > 0) line->Add("device_fallback_reason", since.now.fallback_reason);
  line->Add("device_surface_bytes", since.now.device.surface_bytes);
  line->Add("device_predicted_ms", since.milliseconds);
  line->Add("device_predicted_joules", since.joules);
}

}  // namespace attune
