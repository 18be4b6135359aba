#include "cli/bench_report.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>

#include "cli/environment.h"
#include "cli/interrupt.h"
#include "cli/process_memory.h"

namespace attune {
namespace {

constexpr double kMebibyte = 1 << 20;

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double MonotonicSeconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// The constants are those of tests/bench/peers.
std::int32_t BenchToken(std::int64_t i, std::int64_t vocabulary) {
  return static_cast<std::int32_t>((7919 * i + 17) % vocabulary);
}

MemoryWatch::MemoryWatch() : before_(AnonymousBytes()), peak_(before_) {}
void MemoryWatch::Look() { peak_ = std::max(peak_, AnonymousBytes()); }

Result<std::vector<double>> Rounds(int warmup, int rounds, MemoryWatch* memory,
                                   const std::function<Result<double>()>& round) {
  std::vector<double> kept;
  for (int i = 0; i < warmup + rounds; ++i) {
    if (Interrupted()) return Cancelled("interrupted");
    ATTUNE_ASSIGN_OR_RETURN(const double value, round());
    if (i >= warmup) kept.push_back(value);
    memory->Look();
  }
  return kept;
}

void AddEnvironment(int workers, const std::string& precision, bool packed, JsonLine* line) {
  const Environment environment = DescribeEnvironment();
  line->Add("peer", "attune").Add("version", environment.version);
  line->Add("commit", environment.commit).Add("build", environment.build);
  line->Add("cpu", environment.cpu).Add("system", environment.system);
  line->Add("gemm", environment.gemm).Add("workers", std::int64_t{workers});
  line->Add("precision", precision).Add("packed", packed);
}

void AddMemory(const MemoryWatch& memory, std::int64_t predicted, JsonLine* line) {
  line->Add("peak_resident_bytes", PeakResidentBytes());
  line->Add("anonymous_bytes_before", memory.before());
  line->Add("anonymous_bytes_peak", memory.peak());
  line->Add("predicted_private_bytes", predicted);
}

void PrintEnvironment(int workers, const std::string& precision, bool packed) {
  const Environment environment = DescribeEnvironment();
  std::printf("attune %s, commit %s, %s build, %s\n", environment.version.c_str(),
              environment.commit.c_str(), environment.build.c_str(), environment.gemm.c_str());
  std::printf("%s, %s, %d workers, %s%s\n", environment.cpu.c_str(), environment.system.c_str(),
              workers, precision.c_str(), packed ? ", packed" : "");
}

void PrintMemory(const MemoryWatch& memory, std::int64_t predicted) {
  std::printf("memory   %.1f MiB anonymous (%.1f before), predicted %.1f; peak resident %.1f MiB\n",
              static_cast<double>(memory.peak()) / kMebibyte,
              static_cast<double>(memory.before()) / kMebibyte,
              static_cast<double>(predicted) / kMebibyte,
              static_cast<double>(PeakResidentBytes()) / kMebibyte);
}

void AddBenchOptions(CLI::App* app, BenchOptions* options) {
  app->add_option("--rounds", options->rounds, "Timed rounds; medians are printed")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app->add_option("--warmup", options->warmup, "Rounds before those")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app->add_flag("--json", options->json, "One JSON object");
}

}  // namespace attune
