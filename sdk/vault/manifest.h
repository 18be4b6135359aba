// The manifest says what a vault holds: which files, under which keys, which
// adapter serves. A file that it does not name does not exist.
// docs/formats/vault.md section 4.
//
// Threads: values and pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "vault/context.h"

namespace attune {

// A key of its own for what is dropped together: one day of examples, one
// checkpoint, one adapter generation, one segment of the ledger. Dropping the entry
// makes what it sealed unreadable for ever.
struct Slice {
  std::uint64_t id = 0;
  Role role = Role::kCheckpoint;
  std::string wrapped_key;  // Sealed under the role's key: kWrappedKeyBytes.
  bool operator==(const Slice&) const = default;
};

// Ids of examples from first to last, both included.
struct IdRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  bool operator==(const IdRange&) const = default;
};

// A file that records are appended to, one by one.
struct SegmentFile {
  std::uint64_t file = 0;
  std::uint64_t slice = 0;
  std::int64_t day = 0;  // On which it was begun, since 1970-01-01 UTC.
  // A closed segment is never appended to; below holds for it alone.
  bool closed = false;
  std::uint64_t bytes = 0;
  std::uint64_t records = 0;
  bool operator==(const SegmentFile&) const = default;
};

// Of examples, all of one day.
struct SegmentEntry : SegmentFile {
  std::uint64_t first_id = 0;
  std::uint64_t last_id = 0;  // Of a closed one.
  bool operator==(const SegmentEntry&) const = default;
};

// What a checkpoint or an adapter generation has in common.
struct StoredFile {
  std::uint64_t file = 0;
  std::uint64_t slice = 0;
  std::uint64_t bytes = 0;  // Of the file.
  std::string adapter;
  BaseHash base{};
  std::int64_t created = 0;  // Unix seconds.
  // The examples it was trained on: ascending, apart, at most kMaxSeenRanges.
  std::vector<IdRange> seen;
  bool tainted = false;  // One of them was forgotten since.
  bool operator==(const StoredFile&) const = default;
};

struct CheckpointEntry : StoredFile {
  std::uint64_t run = 0;  // Which run saved it.
  std::uint64_t step = 0;
  bool operator==(const CheckpointEntry&) const = default;
};

struct AdapterEntry : StoredFile {
  std::uint64_t generation = 0;  // Counts from 1 for each adapter.
  // Has served, so it was found good once: what a rollback may fall back to.
  bool promoted = false;
  bool operator==(const AdapterEntry&) const = default;
};

// One adapter by name.
struct AdapterLine {
  std::string adapter;
  std::uint64_t serving = 0;  // Generation; 0: the bare base.
  std::uint64_t next_generation = 1;
  std::uint64_t run = 0;  // The run that may commit checkpoints; 0: none yet.
  bool operator==(const AdapterLine&) const = default;
};

// What became of the suggestions that one generation made.
struct OutcomeEntry {
  std::string adapter;
  BaseHash base{};
  std::uint64_t generation = 0;  // 0: the bare base.
  std::uint64_t shown = 0;
  std::uint64_t accepted = 0;  // At most as many.
  bool operator==(const OutcomeEntry&) const = default;
};

struct QuarantinedFile {
  std::uint64_t file = 0;
  Role role = Role::kCheckpoint;
  std::int64_t when = 0;  // Unix seconds.
  std::string reason;     // No user text.
  bool operator==(const QuarantinedFile&) const = default;
};

struct Manifest {
  std::uint64_t generation = 0;
  std::uint64_t next_example = 1;  // No id below was ever given out after this was written.
  std::uint64_t next_slice = 1;
  std::vector<Slice> slices;
  std::vector<SegmentEntry> segments;        // In the order they were begun.
  std::vector<CheckpointEntry> checkpoints;  // Oldest first.
  std::vector<AdapterEntry> adapters;        // Oldest first.
  std::vector<AdapterLine> lines;
  std::vector<QuarantinedFile> quarantine;
  std::vector<SegmentFile> ledger;  // In the order they were begun.
  std::vector<OutcomeEntry> outcomes;

  // Null if there is none.
  const Slice* FindSlice(std::uint64_t id) const;
  AdapterLine* FindLine(std::string_view adapter);
  const AdapterLine* FindLine(std::string_view adapter) const;
  const AdapterEntry* FindAdapter(std::string_view adapter, std::uint64_t generation) const;

  bool operator==(const Manifest&) const = default;
};

inline constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{1} << 26;
inline constexpr std::size_t kMaxManifestEntries = std::size_t{1} << 17;  // Of each list.
inline constexpr std::size_t kMaxAdapterName = 64;
inline constexpr std::size_t kMaxSeenRanges = 4096;
inline constexpr std::size_t kMaxQuarantined = 32;
inline constexpr std::size_t kMaxQuarantineReason = 256;
// A sealed message of a 32-byte key.
inline constexpr std::size_t kWrappedKeyBytes = 104;

// Days since 1970-01-01 UTC.
std::int64_t DayOf(std::int64_t unix_seconds);

// [a-z0-9._-], 1 to kMaxAdapterName characters.
bool IsAdapterName(std::string_view name);

// What every manifest keeps to: the bounds above, no id twice, ranges ascending
// and apart, every file under a slice of its role.
//
//   kDataLoss  it does not, with the place and both numbers
Status CheckManifest(const Manifest& manifest);

// Drops the slices that no file lies under, and the outcomes of generations that are
// no more.
void DropUnused(Manifest* manifest);

// REQUIRES: CheckManifest().
std::string EncodeManifest(const Manifest& manifest);

// The inverse, for bytes of any origin: what does not encode to the same bytes
// again, or does not pass CheckManifest(), is refused.
//
//   kDataLoss     not a manifest, with the place and both numbers
//   kUnsupported  of a later version
Result<Manifest> DecodeManifest(std::string_view bytes);

// Sorted and merged; beyond kMaxSeenRanges neighbours are joined over the
// smallest gaps, so that the ranges cover more rather than less.
std::vector<IdRange> MergeRanges(std::vector<IdRange> ranges);
bool Covers(const std::vector<IdRange>& ranges, std::uint64_t id);

}  // namespace attune
