// `attune ane doctor`: which Neural Engine answers, and whether it computes rightly.

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>

#include "ane/cost/cost.h"
#include "ane/driver/private_device.h"
#include "ane/runtime/ane_backend.h"
#include "ane/simulator/simulated_device.h"
#include "base/strings.h"
#include "cli/ane_commands.h"
#include "cli/ane_target.h"
#include "cli/doctor_findings.h"
#include "platform/platform.h"

namespace attune {
namespace {

struct Options {
  AneTargetOptions target;  // Of the simulator.
  ane::PrivateDeviceOptions device;
  std::string route = "memory";
  bool json = false;
};

// The small LoRA program that must give the host's result and change with A.
void CheckCanary(const Platform& platform, ane::Device& device, Level otherwise,
                 Findings* findings) {
  ane::AneBackendOptions options;
  options.parallel = platform.parallel;
  options.clock = platform.clock;
  const auto backend = ane::MakeAneBackend(device, *platform.backend, options);
  Finding finding{.check = "canary", .job = std::string(device.name()), .what = ""};
  if (backend.ok()) {
    const ane::DeviceCounters counters = device.counters();
    finding.what = "the canary program computes what the CPU does, and follows its adapter";
    finding.figures = {{"compiles", counters.compiles}, {"evaluations", counters.evaluations}};
  } else {
    finding.level = otherwise;
    finding.what = backend.status().message();
    finding.advice = "training stays on the CPU";
  }
  findings->Add(finding);
}

// Whether there is hardware, or what stands in for it.
void CheckHardware(const Platform& platform, const Options& options, Findings* findings) {
  const auto device = ane::OpenPrivateDevice(options.device, platform.clock);
  Finding finding{.check = "framework", .job = {}, .what = ""};
  if (!device.ok()) {
    finding.level = Level::kWarn;
    finding.what = device.status().message();
    finding.advice = "--device ane is not to be had here; ane-sim is";
    findings->Add(finding);
    return;
  }
  finding.what = StrCat((*device)->name(), " answers: ", ane::TargetName((*device)->target()));
  findings->Add(finding);
  CheckCanary(platform, **device, Level::kFail, findings);
}

void CheckSimulator(const Platform& platform, const ane::Target& target, Findings* findings) {
  ane::MachineOptions machine;
  machine.target = target;
  const auto device = ane::MakeSimulatedDevice(machine, platform.parallel);
  const double factor = ane::UncertaintyOf(target.chip);
  findings->Add({.check = "simulator",
                 .job = {},
                 .what = StrCat(ane::TargetName(target), "; half of its predictions of single ",
                                "programs lie within a factor of ", factor)});
  CheckCanary(platform, *device, Level::kFail, findings);
}

Result<ExitCode> Examine(Options options) {
  ATTUNE_ASSIGN_OR_RETURN(const ane::Target target, options.target.target());
  options.device.route = options.route == "client" ? ane::Route::kClient : ane::Route::kInMemory;
  const DefaultPlatform platform(0);
  Findings findings(options.json);
  CheckHardware(platform.get(), options, &findings);
  CheckSimulator(platform.get(), target, &findings);
  findings.PrintSummary();
  return findings.failed() ? kFound : ExitCode::kOk;
}

}  // namespace

void AddAneDoctorCommand(CLI::App* ane, Action* action) {
  CLI::App* command = ane->add_subcommand("doctor", "Say which Neural Engine answers, and how");
  auto options = std::make_shared<Options>();
  AddAneTargetOptions(command, &options->target);
  command
      ->add_option("--framework", options->device.framework,
                   "The framework's library; default: the system's")
      ->envname("ATTUNE_ANE_FRAMEWORK");
  command->add_option("--surfaces", options->device.surface_library, "That of IOSurface")
      ->envname("ATTUNE_ANE_SURFACES");
  command->add_option("--foundation", options->device.foundation_library, "That of Foundation")
      ->envname("ATTUNE_ANE_FOUNDATION");
  command->add_option("--route", options->route, "memory or client")
      ->check(CLI::IsMember({"memory", "client"}))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object a finding");
  command->callback([options, action] { *action = [options] { return Examine(*options); }; });
}

}  // namespace attune
