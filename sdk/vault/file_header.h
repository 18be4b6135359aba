// The clear header that every data file begins with: what the file claims to be,
// for messages and for looking at it without a key. What it says is believed
// only where it equals what the manifest says, and the sealed message behind it
// is bound to the same. docs/formats/vault.md section 3.
//
// Threads: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "vault/context.h"

namespace attune {

inline constexpr std::size_t kFileHeaderBytes = 32;

struct FileHeader {
  Role role = Role::kCheckpoint;
  std::uint64_t file = 0;
  std::uint64_t slice = 0;
};

std::string EncodeFileHeader(const FileHeader& header);

// Whether `bytes` begin with exactly this header.
//
//   kDataLoss  they do not, with the first field that differs
Status CheckFileHeader(std::string_view bytes, const FileHeader& expected);

}  // namespace attune
