// Names in a vault's directory. docs/formats/vault.md section 1.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "vault/context.h"

namespace attune {

inline constexpr std::string_view kManifestName = "manifest";
inline constexpr std::string_view kManifestCopyName = "manifest.copy";
inline constexpr std::string_view kLockName = "lock";
inline constexpr std::string_view kQuarantineName = "quarantine";

struct FileName {
  Role role = Role::kCheckpoint;
  std::uint64_t file = 0;
};

// "00c0ffee00c0ffee.checkpoint".
// REQUIRES: a role that has files.
std::string FormatFileName(Role role, std::uint64_t file);
// The inverse; nothing for any other name.
std::optional<FileName> ParseFileName(std::string_view name);

// What a write that was cut short leaves behind: ".attune-*.tmp".
bool IsTemporaryName(std::string_view name);

}  // namespace attune
