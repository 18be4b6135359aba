// Which examples a day has already: by keyed fingerprints, so that equal ones are
// noticed without reading any. A segment that is closed ends in its records'
// fingerprints, sealed as a footer. docs/formats/vault.md section 6.3.
//
// Threads: values; one at a time.

#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "attune/example.h"
#include "attune/status.h"
#include "ports/crypto.h"
#include "vault/vault.h"

namespace attune {

// Equal for equal content, whatever the source and the time. 0: not known.
using Fingerprint = std::uint64_t;

// REQUIRES: a slice's key.
Result<Secret> FingerprintKey(Crypto& crypto, ByteSpan slice_key);
Result<Fingerprint> FingerprintOf(Crypto& crypto, ByteSpan fingerprint_key, const Example& example);

// One for each record, by index.
std::string EncodeFooter(const std::vector<Fingerprint>& fingerprints);
Result<std::vector<Fingerprint>> DecodeFooter(std::string_view footer);

// Those of a closed segment: of its footer; of a segment without one, of all its
// records.
Result<std::vector<Fingerprint>> ReadFingerprints(Vault& vault, const SegmentEntry& segment);

// How often each is among the closed segments of one day.
class DuplicateIndex {
 public:
  // Reads what `manifest` has closed for the day under this slice and is not yet
  // counted here.
  Status Follow(Vault& vault, const Manifest& manifest, std::uint64_t slice);
  std::int64_t Count(Fingerprint fingerprint) const;

 private:
  std::uint64_t slice_ = 0;
  std::uint64_t generation_ = 0;  // Of the manifest followed last.
  std::set<std::uint64_t> files_;
  std::unordered_map<Fingerprint, std::int64_t> counts_;
};

}  // namespace attune
