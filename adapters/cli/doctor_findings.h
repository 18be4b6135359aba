// What `attune doctor` found, one line each.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace attune {

enum class Level : std::uint8_t { kOk, kWarn, kFail };

struct Finding {
  Level level = Level::kOk;
  std::string check;  // "memory".
  std::string job;    // Empty: of none.
  std::string what;
  std::string advice{};  // What to do; empty where all is well.
  // For programs: {"predicted_bytes", 12}.
  std::vector<std::pair<std::string, std::int64_t>> figures{};
};

class Findings {
 public:
  explicit Findings(bool json) : json_(json) {}

  // Prints it at once: the next check may take a while.
  void Add(const Finding& finding);
  bool failed() const { return failed_; }
  // How many of each, and whether training can run.
  void PrintSummary() const;

 private:
  const bool json_;
  bool failed_ = false;
  int counts_[3] = {0, 0, 0};
};

}  // namespace attune
