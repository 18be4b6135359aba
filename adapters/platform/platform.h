// The composition root: what the facade runs on by default. POSIX files, clock and
// threads, the CPU backend or that of a Neural Engine, libcrypto, keys in files of the
// user's; on Linux the device's state from the kernel's files, elsewhere nothing is known
// of it.

#pragma once

#include <memory>
#include <string>

#include "attune/status.h"
#include "ports/crypto.h"
#include "session/platform.h"

namespace attune {

namespace ane {
class AneBackend;
}

struct PlatformOptions {
  int workers = 0;  // In all; 0: one a processor.
  // What computes: "cpu", "ane", "ane-sim[:chip][:exact]"; see device_choice.h. A
  // Neural Engine that cannot be used leaves its work to the CPU, and note() says why.
  // For "ane" the environment may name other libraries than the system's:
  // ATTUNE_ANE_FRAMEWORK, ATTUNE_ANE_SURFACES, ATTUNE_ANE_FOUNDATION.
  std::string device = "cpu";
  // Those threads stay at background priority: for a platform that only trains.
  bool background = false;
  // The disk whose free space the monitor tells; empty: not known.
  std::string vault_directory{};
  // Where vaults' keys lie; made when the first one is stored, for the user alone.
  // Empty: DefaultKeyDirectory().
  std::string key_directory{};
  // What the keys are under, copied. Empty: none; whoever reads the user's files
  // reads the keys. See FileKeyStore.
  ByteSpan passphrase{};
};

// $XDG_CONFIG_HOME/attune/keys, or $HOME/.config/attune/keys.
//
//   kFailedPrecondition  the environment has neither
Result<std::string> DefaultKeyDirectory();

class DefaultPlatform {
 public:
  // Without keys, and so without vaults. Starts the threads: `workers` in all, 0
  // for one a processor.
  explicit DefaultPlatform(int workers = 0);
  // Likewise, with other options.
  //
  //   kInvalidArgument  a device of another name
  static Result<std::unique_ptr<DefaultPlatform>> WithoutKeys(const PlatformOptions& options);

  // With keys.
  //
  //   kInvalidArgument     a passphrase that is too long; a device of another name
  //   kFailedPrecondition  no key directory given, and the environment names none
  //   kInternal            libcrypto lacks an algorithm
  static Result<std::unique_ptr<DefaultPlatform>> Open(const PlatformOptions& options);

  ~DefaultPlatform();
  DefaultPlatform(const DefaultPlatform&) = delete;
  DefaultPlatform& operator=(const DefaultPlatform&) = delete;

  // Borrows from this object.
  const Platform& get() const { return platform_; }
  int workers() const;

  // The Neural Engine's backend; null where the CPU computes alone.
  const ane::AneBackend* neural_engine() const;
  // What is not as it was asked for, and why; empty: all is.
  const std::string& note() const;

 private:
  struct Parts;
  explicit DefaultPlatform(const PlatformOptions& options);
  Status UseDevice(const std::string& name);
  std::unique_ptr<Parts> parts_;
  Platform platform_;
};

}  // namespace attune
