// The ports of a vault in memory, with real cryptography.
//
// Threads: as the ports.

#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "base/check.h"
#include "openssl/openssl_crypto.h"
#include "ports/clock.h"
#include "support/memory_file_system.h"
#include "support/memory_key_store.h"
#include "vault/vault.h"

namespace attune::testing {

// 2026-01-01 12:00 UTC, until the test says otherwise or somebody sleeps.
class FixedClock final : public Clock {
 public:
  double MonotonicSeconds() override { return seconds; }
  std::int64_t UnixSeconds() override { return unix_seconds; }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return utc_offset_seconds; }
  double ProcessCpuSeconds() override { return cpu_seconds; }
  void Sleep(double length) override {
    if (!(length > 0)) return;
    seconds += length;
    // Many short rests make a second too.
    part_of_second_ += length;
    const double whole = std::floor(part_of_second_);
    unix_seconds += static_cast<std::int64_t>(whole);
    part_of_second_ -= whole;
  }

  double seconds = 0;
  std::int64_t unix_seconds = 1767268800;
  std::int32_t utc_offset_seconds = 0;
  double cpu_seconds = 0;

 private:
  double part_of_second_ = 0;
};

inline std::unique_ptr<OpensslCrypto> MakeCrypto() {
  auto crypto = OpensslCrypto::Create();
  ATTUNE_CHECK(crypto.ok());
  return *std::move(crypto);
}

struct TestPorts {
  std::unique_ptr<OpensslCrypto> crypto = MakeCrypto();
  MemoryFileSystem files;
  MemoryKeyStore keys{*crypto};
  FixedClock clock;

  VaultPorts ports() {
    return {.files = &files, .keys = &keys, .crypto = crypto.get(), .clock = &clock};
  }
};

// A vault of that name, made if there is none.
inline VaultOptions TestVault(const std::string& directory = "v") {
  return {.directory = directory, .create = true, .lock_timeout_seconds = 0};
}

}  // namespace attune::testing
