// What the device is doing now, as far as it can be known.
//
// Threads: every method may be called from any thread.

#pragma once

#include <cstdint>

namespace attune {

// NOTE: values are stored in the ledger. Append, never renumber.
enum class PowerSource : std::uint8_t { kUnknown = 0, kBattery = 1, kExternal = 2 };
enum class ThermalState : std::uint8_t { kNominal = 0, kFair = 1, kSerious = 2, kCritical = 3 };
enum class MemoryPressure : std::uint8_t { kNormal = 0, kWarning = 1, kCritical = 2 };

struct DeviceFacts {
  PowerSource power = PowerSource::kUnknown;
  double battery = -1;  // 0 to 1; negative: there is none, or it is unknown.
  bool low_power_mode = false;
  ThermalState thermal = ThermalState::kNominal;
  MemoryPressure memory_pressure = MemoryPressure::kNormal;
  bool user_idle = true;  // Nobody has touched the device for a while, or it is locked.
  bool foreground = false;
  bool protected_data = true;          // Files and keys can be read: unlocked once since the start.
  std::int64_t memory_available = -1;  // Bytes this process may still take; negative: unknown.
  std::int64_t disk_free = -1;         // Bytes where the vault is; negative: unknown.
  // Compute devices that may be used now.
  bool cpu_usable = true;
  bool ane_usable = false;
  bool operator==(const DeviceFacts&) const = default;
};

class DeviceMonitor {
 public:
  virtual ~DeviceMonitor() = default;
  // Takes a few milliseconds at most. What cannot be found out keeps its default.
  virtual DeviceFacts Read() = 0;
};

}  // namespace attune
