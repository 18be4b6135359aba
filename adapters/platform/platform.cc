#include "platform/platform.h"

#include <cstdlib>
#include <utility>

#include "cpu/cpu_backend.h"
#include "openssl/file_key_store.h"
#include "openssl/openssl_crypto.h"
#include "posix/posix_clock.h"
#include "posix/posix_file_system.h"
#include "posix/posix_worker_thread.h"
#include "posix/thread_pool.h"

namespace attune {

struct DefaultPlatform::Parts {
  Parts(int workers, bool background)
      : pool(workers > 0 ? workers : ThreadPool::DefaultWorkers(), background),
        backend(MakeCpuBackend(pool)) {}

  PosixFileSystem files;
  PosixClock clock;
  PosixWorkerThreads threads;
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

DefaultPlatform::DefaultPlatform(int workers) : DefaultPlatform(workers, false) {}
DefaultPlatform::DefaultPlatform(int workers, bool background)
    : parts_(std::make_unique<Parts>(workers, background)) {
  platform_.files = &parts_->files;
  platform_.clock = &parts_->clock;
  platform_.parallel = &parts_->pool;
  platform_.backend = parts_->backend.get();
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
  std::unique_ptr<DefaultPlatform> platform(
      new DefaultPlatform(options.workers, options.background));
  Parts& parts = *platform->parts_;
  parts.crypto = std::move(crypto);
  ATTUNE_ASSIGN_OR_RETURN(parts.keys, FileKeyStore::Open(parts.files, *parts.crypto, keys));
  platform->platform_.crypto = parts.crypto.get();
  platform->platform_.keys = parts.keys.get();
  return platform;
}

int DefaultPlatform::workers() const { return parts_->pool.workers(); }

}  // namespace attune
