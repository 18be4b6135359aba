#include "vault/manifest.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "base/strings.h"

namespace attune {

namespace {

// Calls `visit(what, role, file, slice)` for every file of the manifest.
template <typename Visit>
void ForEachFile(const Manifest& manifest, Visit visit) {
  for (const SegmentEntry& entry : manifest.segments) {
    visit("segment", Role::kExamples, entry.file, entry.slice);
  }
  for (const SegmentFile& entry : manifest.ledger) {
    visit("ledger", Role::kLedger, entry.file, entry.slice);
  }
  for (const CheckpointEntry& entry : manifest.checkpoints) {
    visit("checkpoint", Role::kCheckpoint, entry.file, entry.slice);
  }
  for (const AdapterEntry& entry : manifest.adapters) {
    visit("adapter", Role::kAdapter, entry.file, entry.slice);
  }
}

bool Seals(Role role) {
  return role == Role::kCheckpoint || role == Role::kAdapter || role == Role::kExamples ||
         role == Role::kLedger;
}

Status CheckCount(std::string_view what, std::size_t count, std::size_t limit) {
  if (count <= limit) return OkStatus();
  return DataLoss(StrCat("manifest: ", count, " ", what, ", allowed ", limit));
}

Status CheckCounts(const Manifest& manifest) {
  ATTUNE_RETURN_IF_ERROR(CheckCount("slices", manifest.slices.size(), kMaxManifestEntries));
  ATTUNE_RETURN_IF_ERROR(CheckCount("segments", manifest.segments.size(), kMaxManifestEntries));
  ATTUNE_RETURN_IF_ERROR(
      CheckCount("checkpoints", manifest.checkpoints.size(), kMaxManifestEntries));
  ATTUNE_RETURN_IF_ERROR(CheckCount("adapters", manifest.adapters.size(), kMaxManifestEntries));
  ATTUNE_RETURN_IF_ERROR(CheckCount("adapter lines", manifest.lines.size(), kMaxManifestEntries));
  ATTUNE_RETURN_IF_ERROR(
      CheckCount("segments of the ledger", manifest.ledger.size(), kMaxManifestEntries));
  ATTUNE_RETURN_IF_ERROR(CheckCount("outcomes", manifest.outcomes.size(), kMaxManifestEntries));
  return CheckCount("quarantined files", manifest.quarantine.size(), kMaxQuarantined);
}

Status CheckSlices(const Manifest& manifest) {
  std::set<std::uint64_t> ids;
  for (const Slice& slice : manifest.slices) {
    if (!Seals(slice.role)) {
      return DataLoss(StrCat("manifest: slice ", slice.id, " of role ",
                             static_cast<int>(slice.role), ", which has no slices"));
    }
    if (slice.wrapped_key.size() != kWrappedKeyBytes) {
      return DataLoss(StrCat("manifest: slice ", slice.id, ": wrapped key of ",
                             slice.wrapped_key.size(), " bytes, expected ", kWrappedKeyBytes));
    }
    if (slice.id >= manifest.next_slice) {
      return DataLoss(
          StrCat("manifest: slice ", slice.id, ", but the next one is ", manifest.next_slice));
    }
    if (!ids.insert(slice.id).second) {
      return DataLoss(StrCat("manifest: slice ", slice.id, " twice"));
    }
  }
  return OkStatus();
}

Status CheckFiles(const Manifest& manifest) {
  std::set<std::pair<std::uint64_t, Role>> slices;
  for (const Slice& slice : manifest.slices) slices.insert({slice.id, slice.role});
  std::set<std::uint64_t> files;
  Status status;
  std::size_t index = 0;
  ForEachFile(manifest, [&](const char* what, Role role, std::uint64_t file, std::uint64_t slice) {
    if (!status.ok()) return;
    if (!files.insert(file).second) {
      status = DataLoss(StrCat("manifest: ", what, ": file ", file, " twice, at entry ", index));
    } else if (!slices.contains({slice, role})) {
      status = DataLoss(
          StrCat("manifest: ", what, ": file ", file, " under slice ", slice, ", not there"));
    }
    ++index;
  });
  return status;
}

Status CheckRanges(const StoredFile& file) {
  ATTUNE_RETURN_IF_ERROR(CheckCount("ranges of examples", file.seen.size(), kMaxSeenRanges));
  for (std::size_t i = 0; i < file.seen.size(); ++i) {
    const IdRange& range = file.seen[i];
    const bool apart =
        i == 0 || (range.first > file.seen[i - 1].last && range.first - file.seen[i - 1].last > 1);
    if (range.first > range.last || !apart) {
      return DataLoss(StrCat("manifest: file ", file.file, ": range ", i, ", ", range.first, " to ",
                             range.last, ", not ascending or not apart"));
    }
  }
  return OkStatus();
}

Status CheckStored(const StoredFile& file) {
  if (!IsAdapterName(file.adapter)) {
    return DataLoss(StrCat("manifest: file ", file.file, ": adapter name of ", file.adapter.size(),
                           " bytes, allowed [a-z0-9._-], 1 to ", kMaxAdapterName));
  }
  return CheckRanges(file);
}

Status CheckLines(const Manifest& manifest) {
  std::set<std::string_view> names;
  for (const AdapterLine& line : manifest.lines) {
    if (!IsAdapterName(line.adapter)) {
      return DataLoss(StrCat("manifest: line ", names.size(), ": adapter name of ",
                             line.adapter.size(), " bytes, allowed [a-z0-9._-], 1 to ",
                             kMaxAdapterName));
    }
    if (!names.insert(line.adapter).second) {
      return DataLoss(StrCat("manifest: adapter ", line.adapter, " has two lines"));
    }
  }
  return OkStatus();
}

Status CheckGenerations(const Manifest& manifest) {
  std::set<std::pair<std::string_view, std::uint64_t>> generations;
  for (const AdapterEntry& entry : manifest.adapters) {
    if (!generations.insert({entry.adapter, entry.generation}).second) {
      return DataLoss(
          StrCat("manifest: adapter ", entry.adapter, ": generation ", entry.generation, " twice"));
    }
  }
  return OkStatus();
}

Status CheckOutcomes(const Manifest& manifest) {
  std::set<std::tuple<std::string_view, BaseHash, std::uint64_t>> generations;
  for (const OutcomeEntry& entry : manifest.outcomes) {
    if (!IsAdapterName(entry.adapter)) {
      return DataLoss(StrCat("manifest: outcome ", generations.size(), ": adapter name of ",
                             entry.adapter.size(), " bytes, allowed [a-z0-9._-], 1 to ",
                             kMaxAdapterName));
    }
    if (entry.accepted > entry.shown) {
      return DataLoss(StrCat("manifest: adapter ", entry.adapter, ": generation ", entry.generation,
                             ": ", entry.accepted, " accepted of ", entry.shown, " shown"));
    }
    if (!generations.insert({entry.adapter, entry.base, entry.generation}).second) {
      return DataLoss(StrCat("manifest: adapter ", entry.adapter, ": outcomes of generation ",
                             entry.generation, " twice"));
    }
  }
  return OkStatus();
}

Status CheckQuarantine(const Manifest& manifest) {
  for (const QuarantinedFile& entry : manifest.quarantine) {
    const bool one_line = std::all_of(entry.reason.begin(), entry.reason.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) != 0x7f;
    });
    if (!Seals(entry.role) || !one_line || entry.reason.size() > kMaxQuarantineReason) {
      return DataLoss(StrCat("manifest: quarantine: file ", entry.file, " of role ",
                             static_cast<int>(entry.role), " for a reason of ", entry.reason.size(),
                             " bytes, allowed one line of ", kMaxQuarantineReason));
    }
  }
  return OkStatus();
}

// Joins neighbours over the smallest gaps until `limit` ranges remain.
std::vector<IdRange> JoinOverSmallGaps(const std::vector<IdRange>& ranges, std::size_t limit) {
  std::vector<std::pair<std::uint64_t, std::size_t>> gaps;  // Gap before range i, i.
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    gaps.push_back({ranges[i].first - ranges[i - 1].last, i});
  }
  const auto joined = static_cast<std::ptrdiff_t>(ranges.size() - limit);
  std::nth_element(gaps.begin(), gaps.begin() + joined - 1, gaps.end());
  std::vector<bool> join(ranges.size(), false);
  for (auto gap = gaps.begin(); gap != gaps.begin() + joined; ++gap) join[gap->second] = true;
  std::vector<IdRange> out;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (join[i]) {
      out.back().last = ranges[i].last;
    } else {
      out.push_back(ranges[i]);
    }
  }
  return out;
}

}  // namespace

const Slice* Manifest::FindSlice(std::uint64_t id) const {
  const auto found =
      std::find_if(slices.begin(), slices.end(), [&](const Slice& s) { return s.id == id; });
  return found == slices.end() ? nullptr : &*found;
}

const AdapterLine* Manifest::FindLine(std::string_view adapter) const {
  const auto found = std::find_if(lines.begin(), lines.end(),
                                  [&](const AdapterLine& line) { return line.adapter == adapter; });
  return found == lines.end() ? nullptr : &*found;
}

AdapterLine* Manifest::FindLine(std::string_view adapter) {
  return const_cast<AdapterLine*>(std::as_const(*this).FindLine(adapter));
}

const AdapterEntry* Manifest::FindAdapter(std::string_view adapter, std::uint64_t number) const {
  const auto found = std::find_if(adapters.begin(), adapters.end(), [&](const AdapterEntry& entry) {
    return entry.adapter == adapter && entry.generation == number;
  });
  return found == adapters.end() ? nullptr : &*found;
}

std::int64_t DayOf(std::int64_t unix_seconds) {
  constexpr std::int64_t kDay = 24 * 60 * 60;
  return unix_seconds / kDay - (unix_seconds % kDay < 0 ? 1 : 0);
}

bool IsAdapterName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxAdapterName &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") == name.npos;
}

Status CheckManifest(const Manifest& manifest) {
  ATTUNE_RETURN_IF_ERROR(CheckCounts(manifest));
  ATTUNE_RETURN_IF_ERROR(CheckSlices(manifest));
  ATTUNE_RETURN_IF_ERROR(CheckFiles(manifest));
  for (const CheckpointEntry& entry : manifest.checkpoints) {
    ATTUNE_RETURN_IF_ERROR(CheckStored(entry));
  }
  for (const AdapterEntry& entry : manifest.adapters) ATTUNE_RETURN_IF_ERROR(CheckStored(entry));
  ATTUNE_RETURN_IF_ERROR(CheckGenerations(manifest));
  ATTUNE_RETURN_IF_ERROR(CheckLines(manifest));
  ATTUNE_RETURN_IF_ERROR(CheckOutcomes(manifest));
  return CheckQuarantine(manifest);
}

void DropUnused(Manifest* manifest) {
  std::set<std::uint64_t> used;
  ForEachFile(*manifest,
              [&](const char*, Role, std::uint64_t, std::uint64_t slice) { used.insert(slice); });
  std::erase_if(manifest->slices, [&](const Slice& slice) { return !used.contains(slice.id); });
  std::erase_if(manifest->outcomes, [&](const OutcomeEntry& entry) {
    return entry.generation != 0 &&
           manifest->FindAdapter(entry.adapter, entry.generation) == nullptr;
  });
}

std::vector<IdRange> MergeRanges(std::vector<IdRange> ranges) {
  std::erase_if(ranges, [](const IdRange& range) { return range.first > range.last; });
  std::sort(ranges.begin(), ranges.end(),
            [](const IdRange& a, const IdRange& b) { return a.first < b.first; });
  std::vector<IdRange> merged;
  for (const IdRange& range : ranges) {
    // Adjacent ones too: 1 to 3 and 4 to 5 are 1 to 5.
    if (!merged.empty() &&
        (range.first <= merged.back().last || range.first - merged.back().last == 1)) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  if (merged.size() <= kMaxSeenRanges) return merged;
  return JoinOverSmallGaps(merged, kMaxSeenRanges);
}

bool Covers(const std::vector<IdRange>& ranges, std::uint64_t id) {
  const auto after = std::upper_bound(
      ranges.begin(), ranges.end(), id,
      [](std::uint64_t value, const IdRange& range) { return value < range.first; });
  return after != ranges.begin() && id <= std::prev(after)->last;
}

}  // namespace attune
