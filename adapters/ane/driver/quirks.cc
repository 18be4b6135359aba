#include "ane/driver/quirks.h"

#include <array>
#include <cctype>
#include <cstddef>
#include <optional>

#include "ane/driver/foundation.h"
#include "base/strings.h"

namespace attune::ane {

namespace {

constexpr int kOldestSystem = 15;

// NSOperatingSystemVersion.
struct SystemVersion {
  objc::Integer major, minor, patch;
};

struct Processor {
  std::string_view name;
  Chip chip;
};
// Longer names before those that they begin with. Where nothing sets two apart, as
// with M4 and M4 Pro, their Neural Engines are the same.
constexpr Processor kProcessors[] = {
    {"M1", Chip::kM1},          {"M2", Chip::kM2},        {"M3 Ultra", Chip::kM3Ultra},
    {"M3", Chip::kM3Pro},       {"M4 Max", Chip::kM4Max}, {"M4", Chip::kM4},
    {"M5 Max", Chip::kM5Max},   {"M5", Chip::kM5},        {"A17 Pro", Chip::kA17Pro},
    {"A18 Pro", Chip::kA18Pro},
};

std::string ProcessorName(const Libraries& libraries) {
  using Query = int (*)(const char*, void*, std::size_t*, void*, std::size_t);
  const auto query = reinterpret_cast<Query>(libraries.Find("sysctlbyname"));
  std::array<char, 128> name{};
  std::size_t length = name.size() - 1;
  if (query == nullptr ||
      query("machdep.cpu.brand_string", name.data(), &length, nullptr, 0) != 0) {
    return "";
  }
  return name.data();
}

int SystemMajorVersion(const objc::Runtime& runtime) {
  const objc::Id process = runtime.Send<objc::Id>(runtime.Class("NSProcessInfo"), "processInfo");
  if (!runtime.Responds(process, "operatingSystemVersion")) return 0;
  return static_cast<int>(runtime.Send<SystemVersion>(process, "operatingSystemVersion").major);
}

// What _ANEDeviceInfo calls the architecture; empty when it does not say.
std::string Architecture(const objc::Runtime& runtime, objc::Id device) {
  if (!runtime.Responds(device, "aneArchitectureType")) return "";
  return objc::TextOf(runtime, runtime.Send<objc::Id>(device, "aneArchitectureType")).value_or("");
}

}  // namespace

Quirks QuirksOf(const Target& target) {
  Quirks quirks;
  quirks.counters_are_an_array = target.os >= 27;
  quirks.weights_may_be_nil = target.chip == Chip::kM1;
  return quirks;
}

Result<Chip> ChipOfProcessor(std::string_view name) {
  for (const Processor& processor : kProcessors) {
    const std::size_t at = name.find(processor.name);
    if (at == std::string_view::npos) continue;
    // "M1" is not the beginning of "M10".
    const std::size_t end = at + processor.name.size();
    if (end < name.size() && std::isdigit(static_cast<unsigned char>(name[end])) != 0) continue;
    return processor.chip;
  }
  return NotFound(StrCat("no chip of the name '", name, "' is known"));
}

Result<Target> DetectTarget(const objc::Runtime& runtime, const Libraries& libraries) {
  const objc::Id device = runtime.Class("_ANEDeviceInfo");
  if (runtime.Responds(device, "hasANE") && runtime.Send<objc::Bool>(device, "hasANE") == 0) {
    return Unavailable("this machine has no Neural Engine");
  }
  Target target;
  target.os = SystemMajorVersion(runtime);
  if (target.os < kOldestSystem) {
    return Unsupported(
        StrCat("macOS ", target.os, "; the Neural Engine needs ", kOldestSystem, " or newer"));
  }
  const std::string processor = ProcessorName(libraries);
  if (auto chip = ChipOfProcessor(processor); chip.ok()) {
    target.chip = *chip;
    return target;
  }
  const std::string architecture = Architecture(runtime, device);
  auto chip = ChipOfArchitecture(architecture);
  if (!chip.ok()) {
    return Unsupported(StrCat("processor '", processor, "' with the Neural Engine '", architecture,
                              "' is not known to this version"));
  }
  target.chip = *chip;
  return target;
}

}  // namespace attune::ane
