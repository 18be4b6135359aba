#include "platform/device_choice.h"

#include "base/strings.h"

namespace attune {
namespace {

constexpr std::string_view kSimulated = "ane-sim";

}  // namespace

Result<DeviceChoice> ParseDeviceChoice(std::string_view name) {
  DeviceChoice choice;
  if (name == "cpu") return choice;
  if (name == "ane") {
    choice.device = ComputeDevice::kAne;
    return choice;
  }
  const bool simulated = name == kSimulated || name.starts_with(StrCat(kSimulated, ":"));
  if (!simulated) {
    return InvalidArgument(StrCat("device ", name, ", allowed: cpu, ane, ane-sim[:CHIP][:exact]"));
  }
  choice.device = ComputeDevice::kAneSimulated;
  name.remove_prefix(kSimulated.size());
  while (!name.empty()) {
    name.remove_prefix(1);  // The colon.
    const std::string_view part = name.substr(0, name.find(':'));
    name.remove_prefix(part.size());
    if (part == "exact") {
      choice.exact = true;
    } else {
      ATTUNE_ASSIGN_OR_RETURN(choice.chip, ane::ParseChip(part));
    }
  }
  return choice;
}

}  // namespace attune
