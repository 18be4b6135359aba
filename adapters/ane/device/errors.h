// The error codes of the Neural Engine's framework and what each means for a
// caller: one table for the driver, which decodes them, and the simulator, which
// gives them out. Sources: docs/ane-constraints.md.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "attune/status.h"

namespace attune::ane {

// Where in a program's life an error came.
enum class Stage : std::uint8_t { kDescribe, kCompile, kLoad, kMap, kEvaluate, kUnload };
std::string_view StageName(Stage stage);

// An NSError of the framework in plain data.
struct DeviceError {
  Stage stage = Stage::kEvaluate;
  std::string domain;        // "com.apple.appleneuralengine[.compiler]".
  std::int64_t code = 0;     // Of the NSError.
  std::uint32_t status = 0;  // Inner status such as 0x1d or 0x50004; 0 without one.
  std::string text;          // The framework's description.
};

enum class Remedy : std::uint8_t {
  kDefect,    // Of the program or of ours.
  kRetry,     // Transient: again after a pause.
  kEvict,     // Unload something, then again.
  kSplit,     // The program must be smaller.
  kFallback,  // Not on this machine: the CPU takes over.
};

// What to do about an error.
Remedy RemedyOf(const DeviceError& error);

// The inner status found in a description such as "... Failed with status=0x1d :
// statusType=0x9 ..."; 0 without one.
std::uint32_t StatusIn(std::string_view description);

// As a Status whose message has stage, both codes, what they mean and what to do.
Status ToStatus(const DeviceError& error);

}  // namespace attune::ane
