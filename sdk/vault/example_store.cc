#include "vault/example_store.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/strings.h"
#include "vault/example_record.h"
#include "vault/example_writer.h"
#include "vault/forget.h"
#include "vault/retention.h"
#include "vault/segment_reader.h"

namespace attune {
namespace {

constexpr std::uint64_t kNoId = std::numeric_limits<std::uint64_t>::max();

bool IsKnown(ExampleKind kind) {
  return kind >= ExampleKind::kText && kind <= ExampleKind::kLabelledBlob;
}

bool Touches(const std::vector<IdRange>& ranges, const SegmentEntry& segment) {
  const std::uint64_t last = segment.closed ? segment.last_id : kNoId;
  return std::any_of(ranges.begin(), ranges.end(), [&](const IdRange& range) {
    return range.first <= last && segment.first_id <= range.last;
  });
}

// The first segment whose ids begin at `id` or later.
const SegmentEntry* NextSegment(const Manifest& manifest, std::uint64_t id) {
  const SegmentEntry* next = nullptr;
  for (const SegmentEntry& segment : manifest.segments) {
    if (segment.first_id < id) continue;
    if (next == nullptr || segment.first_id < next->first_id) next = &segment;
  }
  return next;
}

const SegmentEntry* FindSegment(const Manifest& manifest, std::uint64_t file) {
  for (const SegmentEntry& segment : manifest.segments) {
    if (segment.file == file) return &segment;
  }
  return nullptr;
}

// No file, or no record in it that opens.
bool IsLost(const Result<SegmentReport>& report) {
  if (!report.ok()) return report.status().code() == StatusCode::kNotFound;
  return report->records == 0 && report->damaged + report->torn > 0;
}

}  // namespace

class ExampleStore::Impl {
 public:
  Impl(Vault& vault, const ExamplePolicy& policy)
      : vault_(vault), policy_(policy), writer_(vault) {}

  Status Follow() {
    ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
    Status followed = writer_.Follow(vault_.manifest());
    if (followed.code() != StatusCode::kNotFound) return followed;
    // Another process has forgotten the open segment between two steps of this.
    ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
    return writer_.Follow(vault_.manifest());
  }
  Result<Recorded> Record(const Example& example);
  Result<Visited> Visit(const std::vector<IdRange>& ranges,
                        FunctionRef<bool(const StoredExample&)> visit);
  Result<ExampleTotals> Totals();
  Result<std::uint64_t> CountAfter(std::uint64_t id);
  Result<ForgetReport> Forget(const std::vector<IdRange>& within, std::vector<IdRange> taints,
                              FunctionRef<bool(const StoredExample&)> which);
  Result<std::uint64_t> ApplyRetention();

 private:
  bool AwaitsRun() const;
  Result<std::optional<SegmentReport>> Read(const SegmentEntry& segment,
                                            FunctionRef<bool(const StoredExample&)> visit);
  void Quarantine(const SegmentEntry& segment, const Status& status);
  std::vector<SegmentEntry> KnownSegments() const;
  // What is to be forgotten, and by day what could not be looked into.
  struct Sought {
    std::set<std::uint64_t> gone;
    std::set<std::int64_t> days;
    std::map<std::int64_t, std::uint64_t> unreadable;
  };
  Result<Sought> Look(const std::vector<IdRange>& within,
                      FunctionRef<bool(const StoredExample&)> which);
  std::uint64_t CountUnreadable(const Sought& sought) const;
  Result<std::uint64_t> CutId(const std::vector<SegmentEntry>& segments, const Expiry& expiry);

  Vault& vault_;
  ExamplePolicy policy_;
  ExampleWriter writer_;
};

Result<Recorded> ExampleStore::Impl::Record(const Example& example) {
  if (!IsKnown(example.kind)) {
    return InvalidArgument(
        StrCat("example: kind ", static_cast<int>(example.kind), ", known are 1 to 3"));
  }
  const RecordOutcome outcome = Admit(policy_, example);
  if (outcome != RecordOutcome::kStored) return Recorded{.outcome = outcome, .id = 0};
  Result<Recorded> recorded = writer_.Record(example, policy_.max_duplicates);
  // Once a day, so that a vault that nobody trains on does not grow for ever. The
  // example is stored: what fails here is done on another day, or by a run.
  if (recorded.ok() && writer_.began_day() && !AwaitsRun()) ApplyRetention().status().Ignore();
  return recorded;
}

// A run that is under way, or was stopped of late, goes on with the examples it
// began with or not at all: a night's work is not to be lost at midnight.
bool ExampleStore::Impl::AwaitsRun() const {
  const std::int64_t today = DayOf(vault_.ports().clock->UnixSeconds());
  for (const CheckpointEntry& checkpoint : vault_.manifest().checkpoints) {
    if (!checkpoint.tainted && today - DayOf(checkpoint.created) <= kRunDays) return true;
  }
  return false;
}

// --- Reading ---

// Nothing if another process has dropped or rewritten the segment meanwhile.
Result<std::optional<SegmentReport>> ExampleStore::Impl::Read(
    const SegmentEntry& segment, FunctionRef<bool(const StoredExample&)> visit) {
  Result<SegmentReport> report = ReadSegment(vault_, segment, visit);
  if (IsLost(report)) {
    ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
    if (FindSegment(vault_.manifest(), segment.file) == nullptr) {
      return std::optional<SegmentReport>();
    }
    // One bad read costs no segment. Nothing of it was visited yet.
    report = ReadSegment(vault_, segment, visit);
  }
  if (!IsLost(report)) {
    if (!report.ok()) return std::move(report).status();
    return std::optional(*report);
  }
  Quarantine(segment, !report.ok() ? report.status() : DataLoss("no record opens"));
  SegmentReport lost;
  lost.damaged = std::max<std::uint64_t>(segment.records, 1);
  return std::optional(lost);
}

// As far as it can: it is reported again next time otherwise.
void ExampleStore::Impl::Quarantine(const SegmentEntry& segment, const Status& status) {
  const auto transaction = vault_.Begin();
  if (!transaction.ok()) return;
  Manifest& manifest = (*transaction)->manifest();
  const SegmentEntry* now = FindSegment(manifest, segment.file);
  if (now == nullptr) return;
  // The ids it gave out are as lost as the records, and are not given out again.
  if (!now->closed) {
    manifest.next_example = std::max(manifest.next_example, now->first_id + kSegmentRecords);
  }
  const Status moved = (*transaction)->Quarantine(Role::kExamples, segment.file, status.message());
  if (moved.ok()) (*transaction)->Commit().Ignore();
  writer_.Reset();
}

Result<ExampleStore::Visited> ExampleStore::Impl::Visit(
    const std::vector<IdRange>& ranges, FunctionRef<bool(const StoredExample&)> visit) {
  ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
  Visited visited;
  bool wanted = true;
  for (std::uint64_t id = 0; wanted;) {
    const SegmentEntry* next = NextSegment(vault_.manifest(), id);
    if (next == nullptr) break;
    const SegmentEntry segment = *next;  // Reading may replace the manifest.
    id = segment.first_id + 1;
    std::uint64_t last_id = segment.last_id;
    if (!Touches(ranges, segment)) continue;
    const auto take = [&](const StoredExample& stored) {
      last_id = std::max(last_id, stored.id);
      if (!Covers(ranges, stored.id)) return true;
      ++visited.examples;
      wanted = visit(stored);
      return wanted;
    };
    ATTUNE_ASSIGN_OR_RETURN(const std::optional<SegmentReport> report, Read(segment, take));
    if (!report) {
      id = segment.first_id;  // What has taken its place begins there or later.
      continue;
    }
    id = std::max(id, last_id + 1);
    visited.damaged += report->damaged;
    visited.torn = visited.torn || report->torn > 0;
  }
  return visited;
}

// As in the manifest, with what is known of the open one filled in.
std::vector<SegmentEntry> ExampleStore::Impl::KnownSegments() const {
  std::vector<SegmentEntry> segments = vault_.manifest().segments;
  const ExampleSegment* open = writer_.open();
  for (SegmentEntry& segment : segments) {
    if (open == nullptr || segment.file != open->entry().file) continue;
    segment.bytes = open->size();
    segment.records = open->examples();
    segment.last_id = std::max(open->last_id(), segment.first_id);
  }
  return segments;
}

Result<ExampleTotals> ExampleStore::Impl::Totals() {
  ATTUNE_RETURN_IF_ERROR(Follow());
  ExampleTotals totals;
  for (const SegmentEntry& segment : KnownSegments()) {
    const bool first = totals.bytes == 0;
    totals.first_day = first ? segment.day : std::min(totals.first_day, segment.day);
    totals.last_day = first ? segment.day : std::max(totals.last_day, segment.day);
    totals.examples += segment.records;
    totals.bytes += segment.bytes;
  }
  return totals;
}

Result<std::uint64_t> ExampleStore::Impl::CountAfter(std::uint64_t id) {
  ATTUNE_RETURN_IF_ERROR(Follow());
  std::uint64_t count = 0;
  for (const SegmentEntry& segment : KnownSegments()) {
    if (segment.last_id <= id) continue;
    count +=
        segment.first_id > id ? segment.records : std::min(segment.records, segment.last_id - id);
  }
  return count;
}

// --- Dropping ---

Result<ExampleStore::Impl::Sought> ExampleStore::Impl::Look(
    const std::vector<IdRange>& within, FunctionRef<bool(const StoredExample&)> which) {
  Sought sought;
  for (const SegmentEntry& segment : vault_.manifest().segments) {
    if (!Touches(within, segment)) continue;
    const auto look = [&](const StoredExample& stored) {
      if (!which(stored)) return true;
      sought.gone.insert(stored.id);
      sought.days.insert(segment.day);
      return true;
    };
    const Result<SegmentReport> read = ReadSegment(vault_, segment, look);
    const bool no_file = !read.ok() && read.status().code() == StatusCode::kNotFound;
    if (!read.ok() && !no_file) return read.status();
    sought.unreadable[segment.day] += no_file ? std::max<std::uint64_t>(segment.records, 1)
                                              : read->damaged + (read->torn > 0 ? 1 : 0);
  }
  return sought;
}

// A day that is rewritten leaves nothing behind that any key opens.
std::uint64_t ExampleStore::Impl::CountUnreadable(const Sought& sought) const {
  std::uint64_t count = 0;
  for (const auto& [day, unreadable] : sought.unreadable) {
    if (!sought.days.contains(day)) count += unreadable;
  }
  for (const QuarantinedFile& file : vault_.manifest().quarantine) {
    if (file.role == Role::kExamples) ++count;
  }
  return count;
}

Result<ForgetReport> ExampleStore::Impl::Forget(const std::vector<IdRange>& within,
                                                std::vector<IdRange> taints,
                                                FunctionRef<bool(const StoredExample&)> which) {
  // Under the lock from the first look on, so that nothing is recorded between.
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  ATTUNE_RETURN_IF_ERROR(writer_.Follow(vault_.manifest()));
  ATTUNE_ASSIGN_OR_RETURN(const Sought sought, Look(within, which));
  const std::set<std::int64_t>& days = sought.days;
  const std::set<std::uint64_t>& gone = sought.gone;
  for (const std::uint64_t id : gone) taints.push_back({id, id});
  const bool open_too = writer_.open() != nullptr && days.contains(writer_.open()->entry().day);
  if (open_too) ATTUNE_RETURN_IF_ERROR(writer_.Close(*transaction));
  ATTUNE_RETURN_IF_ERROR(RewriteDays(vault_, *transaction, days, [&](const StoredExample& stored) {
    return !gone.contains(stored.id);
  }));
  writer_.Reset();
  ForgetReport report;
  report.examples = gone.size();
  report.unreadable = CountUnreadable(sought);
  if (!taints.empty()) {
    const Tainted tainted = TaintWhatSaw(taints, &transaction->manifest());
    report.generations = tainted.generations;
    report.checkpoints = tainted.checkpoints;
  }
  // Also when nothing was found: then at least what was dropped before under this
  // root key, a checkpoint say, opens no more with an earlier manifest.
  ATTUNE_RETURN_IF_ERROR(transaction->CommitUnderNewKey());
  return report;
}

// Examples with smaller ids go by number or size.
Result<std::uint64_t> ExampleStore::Impl::CutId(const std::vector<SegmentEntry>& segments,
                                                const Expiry& expiry) {
  if (expiry.segment >= segments.size()) return kNoId;
  const SegmentEntry& segment = segments[expiry.segment];
  std::uint64_t cut = segment.first_id, examples = 0, bytes = 0;
  if (expiry.examples == 0 && expiry.bytes == 0) return cut;
  ATTUNE_RETURN_IF_ERROR(ReadSegment(vault_, segment, [&](const StoredExample& stored) {
                           if (examples >= expiry.examples && bytes >= expiry.bytes) return false;
                           ++examples;
                           bytes += FrameBytes(EncodeExampleRecord(stored).size());
                           cut = stored.id + 1;
                           return true;
                         }).status());
  return cut;
}

Result<std::uint64_t> ExampleStore::Impl::ApplyRetention() {
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  ATTUNE_RETURN_IF_ERROR(writer_.Follow(vault_.manifest()));
  const std::vector<SegmentEntry> segments = KnownSegments();
  const Expiry expiry = FindExpiry(policy_, segments, DayOf(vault_.ports().clock->UnixSeconds()));
  ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t cut, CutId(segments, expiry));
  std::uint64_t dropped = 0;
  std::set<std::uint64_t> expired;         // Of segments that go in part.
  std::set<std::uint64_t> files;           // To go whole.
  std::set<std::int64_t> days, rewritten;  // Of what goes; of what goes in part.
  for (const SegmentEntry& segment : segments) {
    if (segment.day < expiry.before_day || segment.last_id < cut) {
      files.insert(segment.file);
      dropped += segment.records;
    }
    if (segment.day < expiry.before_day || segment.first_id < cut) days.insert(segment.day);
  }
  if (days.empty()) return std::uint64_t{0};
  for (const SegmentEntry& segment : segments) {
    if (days.contains(segment.day) && !files.contains(segment.file)) rewritten.insert(segment.day);
  }
  if (writer_.open() != nullptr && days.contains(writer_.open()->entry().day)) {
    ATTUNE_RETURN_IF_ERROR(writer_.Close(*transaction));
  }
  std::erase_if(transaction->manifest().segments,
                [&](const SegmentEntry& segment) { return files.contains(segment.file); });
  ATTUNE_RETURN_IF_ERROR(
      RewriteDays(vault_, *transaction, rewritten, [&](const StoredExample& stored) {
        if (stored.id < cut) expired.insert(stored.id);
        return stored.id >= cut;
      }));
  writer_.Reset();
  ATTUNE_RETURN_IF_ERROR(transaction->CommitUnderNewKey());
  return dropped + expired.size();
}

// --- The interface ---

Result<std::unique_ptr<ExampleStore>> ExampleStore::Open(Vault& vault,
                                                         const ExamplePolicy& policy) {
  auto impl = std::make_unique<Impl>(vault, policy);
  ATTUNE_RETURN_IF_ERROR(impl->Follow());
  return std::unique_ptr<ExampleStore>(new ExampleStore(std::move(impl)));
}

ExampleStore::ExampleStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ExampleStore::~ExampleStore() = default;

Result<Recorded> ExampleStore::Record(const Example& example) { return impl_->Record(example); }

Result<ExampleStore::Visited> ExampleStore::ForEach(FunctionRef<bool(const StoredExample&)> visit) {
  return impl_->Visit({{0, kNoId}}, visit);
}

Result<ExampleStore::Visited> ExampleStore::ForEachOf(
    const std::vector<IdRange>& ranges, FunctionRef<bool(const StoredExample&)> visit) {
  return impl_->Visit(MergeRanges(ranges), visit);
}

Result<ExampleTotals> ExampleStore::Totals() { return impl_->Totals(); }

Result<std::uint64_t> ExampleStore::CountAfter(std::uint64_t id) { return impl_->CountAfter(id); }

Result<ForgetReport> ExampleStore::Forget(FunctionRef<bool(const StoredExample&)> which) {
  return impl_->Forget({{0, kNoId}}, {}, which);
}

Result<ForgetReport> ExampleStore::ForgetIds(const std::vector<IdRange>& ids) {
  // Not MergeRanges(), which may join ranges over ids that nobody asked to forget.
  std::vector<IdRange> apart;
  std::vector<IdRange> sorted = ids;
  std::sort(sorted.begin(), sorted.end(),
            [](const IdRange& a, const IdRange& b) { return a.first < b.first; });
  for (const IdRange& range : sorted) {
    if (range.first > range.last) continue;
    if (apart.empty() || range.first > apart.back().last) {
      apart.push_back(range);
    } else {
      apart.back().last = std::max(apart.back().last, range.last);
    }
  }
  return impl_->Forget(apart, apart,
                       [&](const StoredExample& stored) { return Covers(apart, stored.id); });
}

Result<std::uint64_t> ExampleStore::ApplyRetention() { return impl_->ApplyRetention(); }

}  // namespace attune
