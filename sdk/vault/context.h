// What a sealed message is bound to. docs/formats/vault.md section 3.
//
// Threads: values and pure functions.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace attune {

// NOTE: values are stored. Append, never renumber.
enum class Role : std::uint8_t {
  kManifest = 1,
  kCheckpoint = 2,
  kAdapter = 3,
  kExamples = 4,
  kSliceKey = 5,
  kLedger = 6,
};
// "checkpoint".
const char* RoleName(Role role);

using VaultId = std::array<std::byte, 16>;
// SHA-256 of a base model; zeros where a message belongs to none.
using BaseHash = std::array<std::byte, 32>;

inline constexpr std::uint16_t kVaultFormatVersion = 1;

struct SealContext {
  Role role = Role::kManifest;
  VaultId vault{};
  BaseHash base{};
  std::string adapter;           // Name; empty where a message belongs to none.
  std::uint64_t generation = 0;  // Of the manifest; else the file's id, which is never used twice.
  std::uint64_t index = 0;       // Of a record in its segment, of a slice's key.
};

inline constexpr std::size_t kMaxContextAdapterBytes = 64;

// Magic, format version and the fields above; equal only for equal contexts.
// REQUIRES: adapter.size() <= kMaxContextAdapterBytes.
std::string EncodeContext(const SealContext& context);

}  // namespace attune
