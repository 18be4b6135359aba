#include "vault/forget.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "vault/bytes.h"
#include "vault/duplicates.h"
#include "vault/example_record.h"
#include "vault/segment.h"
#include "vault/segment_reader.h"

namespace attune {
namespace {

// How often a segment is read before what does not open is given up.
constexpr int kLooks = 2;

struct DayKey {
  std::uint64_t slice = 0;
  Secret key, fingerprint_key;
};

Result<DayKey> MakeDayKey(Vault& vault, Manifest* manifest) {
  ATTUNE_ASSIGN_OR_RETURN(Vault::NewSlice made,
                          vault.MakeSlice(Role::kExamples, manifest->next_slice++));
  DayKey day;
  day.slice = made.slice.id;
  day.key = std::move(made.key);
  ATTUNE_ASSIGN_OR_RETURN(day.fingerprint_key,
                          FingerprintKey(*vault.ports().crypto, day.key.bytes()));
  manifest->slices.push_back(std::move(made.slice));
  return day;
}

// The new segment as it grows.
class Rewriter {
 public:
  Rewriter(Vault& vault, const DayKey& day, SegmentEntry entry)
      : vault_(vault), day_(day), entry_(entry), bytes_(SegmentHeader(Role::kExamples, entry)) {}

  Status Add(const StoredExample& stored) {
    const auto index = static_cast<std::uint32_t>(fingerprints_.size());
    ATTUNE_RETURN_IF_ERROR(AppendFrame(key(), index, EncodeExampleRecord(stored), &bytes_));
    ATTUNE_ASSIGN_OR_RETURN(
        const Fingerprint fingerprint,
        FingerprintOf(*vault_.ports().crypto, day_.fingerprint_key.bytes(), stored.example));
    if (fingerprints_.empty()) entry_.first_id = stored.id;
    entry_.last_id = stored.id;
    fingerprints_.push_back(fingerprint);
    return OkStatus();
  }

  // Nothing if there was no example.
  Result<std::optional<SegmentEntry>> Finish(Vault::Transaction& transaction) {
    if (fingerprints_.empty()) return std::optional<SegmentEntry>();
    ATTUNE_RETURN_IF_ERROR(AppendFrame(key(), kFooterIndex, EncodeFooter(fingerprints_), &bytes_));
    entry_.closed = true;
    entry_.bytes = bytes_.size();
    entry_.records = fingerprints_.size();
    const ByteSpan parts[] = {AsBytes(bytes_)};
    ATTUNE_RETURN_IF_ERROR(transaction.Write(Role::kExamples, entry_.file, parts));
    return std::optional(entry_);
  }

 private:
  SegmentKey key() const {
    return {.crypto = vault_.ports().crypto,
            .vault = vault_.id(),
            .file = entry_.file,
            .key = day_.key.bytes()};
  }

  Vault& vault_;
  const DayKey& day_;
  SegmentEntry entry_;
  std::string bytes_;
  std::vector<Fingerprint> fingerprints_;
};

Result<std::optional<SegmentEntry>> RewriteSegment(Vault& vault, Vault::Transaction& transaction,
                                                   const SegmentEntry& old, const DayKey& day,
                                                   FunctionRef<bool(const StoredExample&)> keep) {
  SegmentEntry entry;
  entry.slice = day.slice;
  entry.day = old.day;
  ATTUNE_ASSIGN_OR_RETURN(entry.file, transaction.NewFile());
  for (int look = 1;; ++look) {
    Rewriter rewriter(vault, day, entry);
    Status status;
    const Result<SegmentReport> read = ReadSegment(vault, old, [&](const StoredExample& stored) {
      if (keep(stored)) status = rewriter.Add(stored);
      return status.ok();
    });
    ATTUNE_RETURN_IF_ERROR(status);
    // A file that is gone has nothing left to keep.
    if (!read.ok() && read.status().code() != StatusCode::kNotFound) return read.status();
    // What does not open is lost with the old key: one bad read must not do that.
    const bool whole = read.ok() && read->damaged == 0;
    if (whole || look == kLooks) return rewriter.Finish(transaction);
  }
}

bool Overlap(const std::vector<IdRange>& a, const std::vector<IdRange>& b) {
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    if (a[i].first <= b[j].last && b[j].first <= a[i].last) return true;
    a[i].last < b[j].last ? ++i : ++j;
  }
  return false;
}

void ServeUntainted(Manifest* manifest) {
  for (AdapterLine& line : manifest->lines) {
    const AdapterEntry* serving = manifest->FindAdapter(line.adapter, line.serving);
    if (serving == nullptr || !serving->tainted) continue;
    std::uint64_t fallback = 0;
    for (const AdapterEntry& entry : manifest->adapters) {
      const bool fit = entry.adapter == line.adapter && entry.base == serving->base &&
                       entry.promoted && !entry.tainted && entry.generation < line.serving;
      if (fit) fallback = std::max(fallback, entry.generation);
    }
    line.serving = fallback;
  }
}

}  // namespace

Status RewriteDays(Vault& vault, Vault::Transaction& transaction,
                   const std::set<std::int64_t>& days,
                   FunctionRef<bool(const StoredExample&)> keep) {
  Manifest& manifest = transaction.manifest();
  std::map<std::int64_t, DayKey> keys;
  std::vector<SegmentEntry> remaining;
  for (const SegmentEntry& old : manifest.segments) {
    if (!days.contains(old.day)) {
      remaining.push_back(old);
      continue;
    }
    if (!keys.contains(old.day)) {
      ATTUNE_ASSIGN_OR_RETURN(keys[old.day], MakeDayKey(vault, &manifest));
    }
    ATTUNE_ASSIGN_OR_RETURN(const std::optional<SegmentEntry> rewritten,
                            RewriteSegment(vault, transaction, old, keys[old.day], keep));
    if (rewritten) remaining.push_back(*rewritten);
  }
  manifest.segments = std::move(remaining);
  return OkStatus();
}

Tainted TaintWhatSaw(const std::vector<IdRange>& ids, Manifest* manifest) {
  Tainted tainted;
  const std::vector<IdRange> forgotten = MergeRanges(ids);
  for (AdapterEntry& entry : manifest->adapters) {
    if (entry.tainted || !Overlap(entry.seen, forgotten)) continue;
    entry.tainted = true;
    ++tainted.generations;
  }
  tainted.checkpoints = std::erase_if(manifest->checkpoints, [&](const CheckpointEntry& entry) {
    return entry.tainted || Overlap(entry.seen, forgotten);
  });
  ServeUntainted(manifest);
  for (AdapterLine& line : manifest->lines) ++line.run;
  return tainted;
}

}  // namespace attune
