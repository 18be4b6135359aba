#include "platform/platform.h"

#include <cstdlib>
#include <utility>

#include "ane/driver/private_device.h"
#include "ane/runtime/ane_backend.h"
#include "ane/simulator/simulated_device.h"
#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "openssl/file_key_store.h"
#include "openssl/openssl_crypto.h"
#include "platform/device_choice.h"
#include "ports/device_monitor.h"
#include "posix/posix_clock.h"
#include "posix/posix_file_system.h"
#include "posix/posix_worker_thread.h"
#include "posix/thread_pool.h"

#ifdef __linux__
#include "linux/linux_monitor.h"
#endif

namespace attune {
namespace {

#ifdef __linux__
using SystemMonitor = LinuxMonitor;
LinuxMonitorOptions MonitorOptionsOf(const PlatformOptions& options) {
  LinuxMonitorOptions monitor;
  monitor.directory = options.vault_directory;
  return monitor;
}
#else
// Nothing is known: jobs that ask for external power wait.
class SystemMonitor final : public DeviceMonitor {
 public:
  explicit SystemMonitor(const PlatformOptions&) {}
  DeviceFacts Read() override { return {}; }
};
const PlatformOptions& MonitorOptionsOf(const PlatformOptions& options) { return options; }
#endif

std::string FromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : "";
}

Result<std::unique_ptr<ane::Device>> OpenDevice(const DeviceChoice& choice, Parallel* parallel,
                                                Clock* clock) {
  if (choice.device == ComputeDevice::kAneSimulated) {
    ane::MachineOptions machine;
    machine.target.chip = choice.chip;
    machine.exact = choice.exact;
    return ane::MakeSimulatedDevice(machine, parallel);
  }
  ane::PrivateDeviceOptions options;
  options.framework = FromEnvironment("ATTUNE_ANE_FRAMEWORK");
  options.surface_library = FromEnvironment("ATTUNE_ANE_SURFACES");
  options.foundation_library = FromEnvironment("ATTUNE_ANE_FOUNDATION");
  return ane::OpenPrivateDevice(options, clock);
}

}  // namespace

struct DefaultPlatform::Parts {
  explicit Parts(const PlatformOptions& options)
      : monitor(MonitorOptionsOf(options)),
        pool(options.workers > 0 ? options.workers : ThreadPool::DefaultWorkers(),
             options.background),
        backend(MakeCpuBackend(pool)) {}

  PosixFileSystem files;
  PosixClock clock;
  PosixWorkerThreads threads;
  SystemMonitor monitor;
  ThreadPool pool;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<ane::Device> device;
  std::unique_ptr<ane::AneBackend> neural_engine;
  std::string note;
  std::unique_ptr<OpensslCrypto> crypto;
  std::unique_ptr<FileKeyStore> keys;
};

Result<std::string> DefaultKeyDirectory() {
  // A relative path is to be ignored, says the XDG base directory specification.
  const auto absolute = [](const char* path) { return path != nullptr && path[0] == '/'; };
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  if (absolute(config)) return JoinPath(config, "attune/keys");
  const char* const home = std::getenv("HOME");
  if (absolute(home)) return JoinPath(home, ".config/attune/keys");
  return FailedPrecondition("no directory for keys: neither XDG_CONFIG_HOME nor HOME is set");
}

DefaultPlatform::DefaultPlatform(int workers)
    : DefaultPlatform(PlatformOptions{.workers = workers}) {}
DefaultPlatform::DefaultPlatform(const PlatformOptions& options)
    : parts_(std::make_unique<Parts>(options)) {
  platform_.files = &parts_->files;
  platform_.clock = &parts_->clock;
  platform_.parallel = &parts_->pool;
  platform_.backend = parts_->backend.get();
  platform_.monitor = &parts_->monitor;
  platform_.threads = &parts_->threads;
}
DefaultPlatform::~DefaultPlatform() = default;

Status DefaultPlatform::UseDevice(const std::string& name) {
  ATTUNE_ASSIGN_OR_RETURN(const DeviceChoice choice, ParseDeviceChoice(name));
  if (choice.device == ComputeDevice::kCpu) return OkStatus();
  auto device = OpenDevice(choice, &parts_->pool, &parts_->clock);
  if (!device.ok()) {
    parts_->note = StrCat(name, ": ", device.status().message(), "; the CPU computes instead");
    return OkStatus();
  }
  parts_->device = *std::move(device);
  ane::AneBackendOptions options;
  options.parallel = &parts_->pool;
  options.clock = &parts_->clock;
  auto backend = ane::MakeAneBackend(*parts_->device, *parts_->backend, options);
  if (!backend.ok()) {
    parts_->note = StrCat(backend.status().message(), "; the CPU computes instead");
    return OkStatus();
  }
  parts_->neural_engine = *std::move(backend);
  platform_.backend = parts_->neural_engine.get();
  return OkStatus();
}

Result<std::unique_ptr<DefaultPlatform>> DefaultPlatform::WithoutKeys(
    const PlatformOptions& options) {
  std::unique_ptr<DefaultPlatform> platform(new DefaultPlatform(options));
  ATTUNE_RETURN_IF_ERROR(platform->UseDevice(options.device));
  return platform;
}

Result<std::unique_ptr<DefaultPlatform>> DefaultPlatform::Open(const PlatformOptions& options) {
  FileKeyStoreOptions keys;
  keys.directory = options.key_directory;
  if (keys.directory.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(keys.directory, DefaultKeyDirectory());
  }
  keys.passphrase = options.passphrase;
  ATTUNE_ASSIGN_OR_RETURN(auto crypto, OpensslCrypto::Create());
  ATTUNE_ASSIGN_OR_RETURN(auto platform, WithoutKeys(options));
  Parts& parts = *platform->parts_;
  parts.crypto = std::move(crypto);
  ATTUNE_ASSIGN_OR_RETURN(parts.keys, FileKeyStore::Open(parts.files, *parts.crypto, keys));
  platform->platform_.crypto = parts.crypto.get();
  platform->platform_.keys = parts.keys.get();
  return platform;
}

int DefaultPlatform::workers() const { return parts_->pool.workers(); }
const ane::AneBackend* DefaultPlatform::neural_engine() const {
  return parts_->neural_engine.get();
}
const std::string& DefaultPlatform::note() const { return parts_->note; }

}  // namespace attune
