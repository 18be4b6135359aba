// Looking after a vault without its model: what it holds, whether it is sound, its
// key, its examples.
//
// Every function opens the vault and closes it again; errors of opening are those
// of Adaptation::Open(), kNotFound where there is none.
// Threads, processes: others may use the vault meanwhile.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attune/outcome.h"
#include "attune/status.h"

namespace attune {

struct Platform;

struct VaultLocation {
  std::string directory{};
  std::string adapter = "default";
};

struct GenerationInfo {
  std::uint64_t generation = 0;
  std::int64_t created = 0;  // Unix seconds.
  std::uint64_t bytes = 0;   // Sealed.
  bool serving = false;
  bool tainted = false;  // Trained or tested on an example that was forgotten since.
  // The first 16 hexadecimal digits of its base model's SHA-256. One of another
  // base than the open model's does not serve.
  std::string base;
  Outcome outcome{};  // Of its suggestions, as reported.
};

struct VaultDamage {
  std::string what;  // "checkpoint 3f0c…: chunk 2 does not authenticate".
};

struct VaultStatus {
  std::uint64_t manifest_generation = 0;
  std::uint64_t key_generation = 0;
  std::uint64_t examples = 0;
  std::uint64_t example_bytes = 0;  // Sealed.
  std::uint64_t checkpoints = 0;
  std::uint64_t checkpoint_bytes = 0;
  std::int64_t checkpoint_step = 0;         // Of the newest; 0 without any.
  std::vector<GenerationInfo> generations;  // Of this adapter.
  std::uint64_t ledger_files = 0;           // What happened to jobs; all in one.
  std::uint64_t ledger_bytes = 0;           // Sealed.
  std::vector<VaultDamage> quarantine;
};

Result<VaultStatus> InspectVault(const Platform& platform, const VaultLocation& location);
// Authenticates every file; what is damaged is listed, nothing is moved.
Result<std::vector<VaultDamage>> VerifyVault(const Platform& platform,
                                             const VaultLocation& location);
// A new root key; the data files stay as they are.
Status RotateVaultKey(const Platform& platform, const VaultLocation& location);
// As Adaptation::ExportExamples().
Status ExportVaultExamples(const Platform& platform, const VaultLocation& location,
                           const std::string& path);

}  // namespace attune
