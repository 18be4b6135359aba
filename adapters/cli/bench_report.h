// What the two halves of `attune bench` share: timed rounds, memory, and how
// they are printed.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "attune/status.h"
#include "cli/json_line.h"
#include "cli/options.h"

namespace attune {

// The middle value; the mean of the two middle ones of an even count.
// REQUIRES: not empty.
double Median(std::vector<double> values);

double MonotonicSeconds();

// Token `i` of every benchmark: a fixed rule without meaning, so that other
// programs can run the very same batch.
std::int32_t BenchToken(std::int64_t i, std::int64_t vocabulary);

// Anonymous memory before, and the most that was seen after, each round.
class MemoryWatch {
 public:
  MemoryWatch();
  void Look();
  std::int64_t before() const { return before_; }
  std::int64_t peak() const { return peak_; }

 private:
  std::int64_t before_ = 0;
  std::int64_t peak_ = 0;
};

// Runs `round` `warmup` + `rounds` times; what the later ones return is kept.
Result<std::vector<double>> Rounds(int warmup, int rounds, MemoryWatch* memory,
                                   const std::function<Result<double>()>& round);

// The environment and memory, as members of `line`.
void AddEnvironment(int workers, const std::string& precision, bool packed, JsonLine* line);
void AddMemory(const MemoryWatch& memory, std::int64_t predicted, JsonLine* line);
void PrintEnvironment(int workers, const std::string& precision, bool packed);
void PrintMemory(const MemoryWatch& memory, std::int64_t predicted);

// --rounds, --warmup, --json.
struct BenchOptions {
  int rounds = 5;
  int warmup = 2;
  bool json = false;
};
void AddBenchOptions(CLI::App* app, BenchOptions* options);

}  // namespace attune
