// Options of every command that opens a vault, and the vault opened by them.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "attune/adaptation.h"
#include "attune/status.h"
#include "platform/platform.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace attune {

// --vault, --keys, --passphrase-file, --adapter-name.
struct VaultFlags {
  std::string directory;
  std::string keys;
  std::string passphrase_file;
  std::string adapter = "default";

  VaultLocation location() const { return {directory, adapter}; }
  // For what needs no model: recording, forgetting, promoting, exporting.
  AdaptationOptions without_model() const;
};
// Returns --vault, so that it can be required, or exclude another.
CLI::Option* AddVaultFlags(CLI::App* app, VaultFlags* flags);

// --keys, --passphrase-file alone, for commands that find the vault elsewhere.
void AddKeyFlags(CLI::App* app, VaultFlags* flags);

// --keep-days, --keep-examples.
void AddRetentionFlags(CLI::App* app, ExamplePolicy* policy);
// Those, and --max-duplicates.
void AddPolicyFlags(CLI::App* app, ExamplePolicy* policy);

// The default platform with the keys of the vault. Whoever makes one will hold
// keys and text in memory: from here on the process leaves no core dump.
//
//   kInvalidArgument, kFailedPrecondition, kNotFound  of the passphrase or --keys
Result<std::unique_ptr<DefaultPlatform>> OpenVaultPlatform(const VaultFlags& flags,
                                                           int workers = 1);
// With other options than those of the keys.
Result<std::unique_ptr<DefaultPlatform>> OpenVaultPlatform(const VaultFlags& flags,
                                                           PlatformOptions options);

}  // namespace attune
