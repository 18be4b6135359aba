#include "vault/ledger_store.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "vault/byte_order.h"
#include "vault/compress.h"
#include "vault/open_segment.h"

namespace attune {
namespace {

// A record that was refused, and lay there whole for a moment, is not in the segment
// once that is closed.
bool StandsIn(const LedgerPosition& position, const SegmentFile& segment) {
  if (segment.file != position.file) return false;
  return !segment.closed || position.read.scan.end <= segment.bytes;
}

// A segment is as new as the next one's beginning. The last two stay, whatever the
// clock says: it may be wrong for a moment.
void DropExpired(std::int64_t before_day, std::vector<SegmentFile>* segments) {
  std::size_t expired = 0;
  while (expired + 2 < segments->size() && (*segments)[expired + 1].day < before_day) ++expired;
  segments->erase(segments->begin(), segments->begin() + static_cast<std::ptrdiff_t>(expired));
}

}  // namespace

std::string PackLedgerRecord(std::string_view record) {
  std::string packed;
  ByteWriter(&packed).Counted<std::uint16_t>(record);
  packed.resize(PaddedSize(packed.size()), '\0');
  return packed;
}

Result<std::string_view> UnpackLedgerRecord(std::string_view packed) {
  ByteReader in(packed);
  const std::string_view record = in.Counted<std::uint16_t>();
  if (!in.ok() || packed.size() != PaddedSize(in.position()) ||
      packed.find_first_not_of('\0', in.position()) != packed.npos) {
    return DataLoss(
        StrCat("ledger: record of ", packed.size(), " bytes, content ends at ", in.position()));
  }
  if (record.empty() || record.size() > kMaxLedgerRecordBytes) {
    return DataLoss(StrCat("ledger: record of ", record.size(), " bytes, allowed 1 to ",
                           kMaxLedgerRecordBytes));
  }
  return record;
}

LedgerStore::LedgerStore(Vault& vault, const LedgerStoreOptions& options)
    : vault_(vault), options_(options) {}
LedgerStore::~LedgerStore() = default;

Result<std::unique_ptr<LedgerStore>> LedgerStore::Open(Vault& vault,
                                                       const LedgerStoreOptions& options) {
  if (options.keep_days < 1) {
    return InvalidArgument(
        StrCat("ledger: to keep ", options.keep_days, " days, allowed 1 and up"));
  }
  return std::unique_ptr<LedgerStore>(new LedgerStore(vault, options));
}

// --- Appending ---

Status LedgerStore::Append(std::string_view record) {
  if (record.empty() || record.size() > kMaxLedgerRecordBytes) {
    return InvalidArgument(StrCat("ledger: record of ", record.size(), " bytes, allowed 1 to ",
                                  kMaxLedgerRecordBytes));
  }
  const std::string plaintext = PackLedgerRecord(record);
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  ATTUNE_RETURN_IF_ERROR(Follow());
  const bool fits = open_ != nullptr && open_->HasRoomFor(plaintext.size());
  return fits ? AppendToOpen(*transaction, plaintext) : Begin(*transaction, plaintext);
}

Status LedgerStore::Follow() {
  const SegmentFile* entry = FindOpen(vault_.manifest().ledger);
  if (entry == nullptr) {
    open_.reset();
    return OkStatus();
  }
  if (open_ == nullptr || open_->file() != entry->file) {
    ATTUNE_ASSIGN_OR_RETURN(Secret key, vault_.SliceKey(entry->slice));
    open_ = std::make_unique<OpenSegment>(vault_, Role::kLedger, *entry, std::move(key));
  }
  return open_->CatchUp([](std::uint32_t, std::string_view) {});
}

Status LedgerStore::AppendToOpen(Vault::Transaction& transaction, std::string_view plaintext) {
  const Status appended = open_->Append(plaintext);
  if (appended.ok()) return appended;
  // Perhaps the record lies there whole, though it was refused: if the manifest can
  // be written, it says that the segment ends before it.
  Close(transaction);
  transaction.Commit().Ignore();
  open_.reset();
  return appended;
}

void LedgerStore::Close(Vault::Transaction& transaction) {
  SegmentFile* entry = FindOpen(transaction.manifest().ledger);
  if (entry != nullptr && open_ != nullptr) *entry = open_->Closed();
}

Status LedgerStore::Begin(Vault::Transaction& transaction, std::string_view plaintext) {
  Close(transaction);
  open_.reset();
  Manifest& manifest = transaction.manifest();
  ATTUNE_ASSIGN_OR_RETURN(Vault::NewSlice made,
                          vault_.MakeSlice(Role::kLedger, manifest.next_slice++));
  SegmentFile entry;
  ATTUNE_ASSIGN_OR_RETURN(entry.file, transaction.NewFile());
  entry.slice = made.slice.id;
  entry.day = DayOf(vault_.ports().clock->UnixSeconds());
  ATTUNE_ASSIGN_OR_RETURN(auto begun, OpenSegment::Begin(vault_, transaction, Role::kLedger, entry,
                                                         std::move(made.key), plaintext));
  manifest.slices.push_back(std::move(made.slice));
  manifest.ledger.push_back(entry);
  DropExpired(entry.day - options_.keep_days, &manifest.ledger);
  ATTUNE_RETURN_IF_ERROR(transaction.Commit());
  open_ = std::move(begun);
  return OkStatus();
}

// --- Reading ---

Result<LedgerStore::Found> LedgerStore::Read(LedgerPosition* position,
                                             FunctionRef<void(std::string_view record)> visit) {
  ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
  const std::vector<SegmentFile> segments = vault_.manifest().ledger;
  Found found;
  auto next = segments.begin();
  if (position->file != 0) {
    next = std::find_if(segments.begin(), segments.end(),
                        [&](const SegmentFile& segment) { return StandsIn(*position, segment); });
    found.restarted = next == segments.end() || segments.front().file != position->oldest;
  }
  if (found.restarted) {
    *position = LedgerPosition();
    next = segments.begin();
  }
  if (!segments.empty()) position->oldest = segments.front().file;
  for (; next != segments.end(); ++next) {
    ATTUNE_RETURN_IF_ERROR(ReadSegment(*next, position, visit, &found));
  }
  return found;
}

Status LedgerStore::ReadSegment(const SegmentFile& segment, LedgerPosition* position,
                                FunctionRef<void(std::string_view record)> visit, Found* found) {
  if (position->file != segment.file) {
    *position = {.oldest = position->oldest, .file = segment.file, .read = {}, .lost = 0};
  }
  SegmentReport& read = position->read;
  const SegmentReport before = read;
  const Status status = ReadOn(vault_, Role::kLedger, segment, &read, [&](std::string_view packed) {
    const Result<std::string_view> record = UnpackLedgerRecord(packed);
    if (record.ok()) visit(*record);
    return record.ok();
  });
  found->records += read.records - before.records;
  found->damaged += std::max(read.damaged, before.damaged) - before.damaged;
  found->torn = read.torn > 0;
  if (status.code() != StatusCode::kNotFound) return status;
  ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
  const std::vector<SegmentFile>& now = vault_.manifest().ledger;
  const bool dropped = std::none_of(
      now.begin(), now.end(), [&](const SegmentFile& other) { return other.file == segment.file; });
  if (dropped) return OkStatus();  // By age, meanwhile.
  const std::uint64_t lost = std::max<std::uint64_t>(segment.records, 1);
  found->damaged += std::max(lost, position->lost) - position->lost;
  position->lost = std::max(lost, position->lost);
  return OkStatus();
}

Result<LedgerStore::Totals> LedgerStore::Measure() {
  ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
  Totals totals;
  for (const SegmentFile& segment : vault_.manifest().ledger) {
    ++totals.segments;
    totals.bytes += segment.bytes;
    if (segment.closed) continue;
    const auto size = vault_.ports().files->Size(vault_.PathOf(Role::kLedger, segment.file));
    if (size.ok()) totals.bytes += *size;
  }
  return totals;
}

}  // namespace attune
