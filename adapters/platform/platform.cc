#include "platform/platform.h"

#include <cstdlib>
#include <utility>

#include "cpu/cpu_backend.h"
#include "openssl/file_key_store.h"
#include "openssl/openssl_crypto.h"
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

Result<std::unique_ptr<DefaultPlatform>> DefaultPlatform::Open(const PlatformOptions& options) {
  FileKeyStoreOptions keys;
  keys.directory = options.key_directory;
  if (keys.directory.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(keys.directory, DefaultKeyDirectory());
  }
  keys.passphrase = options.passphrase;
  ATTUNE_ASSIGN_OR_RETURN(auto crypto, OpensslCrypto::Create());
  std::unique_ptr<DefaultPlatform> platform(new DefaultPlatform(options));
  Parts& parts = *platform->parts_;
  parts.crypto = std::move(crypto);
  ATTUNE_ASSIGN_OR_RETURN(parts.keys, FileKeyStore::Open(parts.files, *parts.crypto, keys));
  platform->platform_.crypto = parts.crypto.get();
  platform->platform_.keys = parts.keys.get();
  return platform;
}

int DefaultPlatform::workers() const { return parts_->pool.workers(); }

}  // namespace attune
