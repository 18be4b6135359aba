// The words of a trace that change facts: "battery=80%", "idle=yes".
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ports/device_monitor.h"

namespace attune {

struct FactWord {
  std::string_view key;
  std::string_view allowed;  // For messages.
  bool (*parse)(std::string_view value, DeviceFacts* facts);
  std::string (*format)(const DeviceFacts& facts);
};
std::span<const FactWord> FactWords();

// Digits only, at most `max`.
std::optional<std::int64_t> ParseCount(std::string_view text, std::int64_t max);

}  // namespace attune
