// The bytes of docs/formats/vault.md section 4.3.

#include <array>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"
#include "vault/manifest.h"

namespace attune {

namespace {

// The second has lists that the first had not, at its end. What can be written as the
// first is, so that builds that know no other go on reading it.
constexpr std::uint16_t kFirstVersion = 1;
constexpr std::uint16_t kManifestVersion = 2;

// The least that one entry takes, to hold a count against the bytes there are.
constexpr std::size_t kSliceBytes = 8 + 1 + kWrappedKeyBytes;
constexpr std::size_t kSegmentFileBytes = 5 * 8 + 1;
constexpr std::size_t kSegmentBytes = kSegmentFileBytes + 16;
constexpr std::size_t kRangeBytes = 16;
constexpr std::size_t kStoredBytes = 3 * 8 + 1 + 32 + 8 + 1 + 4;
constexpr std::size_t kLineBytes = 1 + 3 * 8;
constexpr std::size_t kQuarantinedBytes = 8 + 1 + 8 + 2;
constexpr std::size_t kOutcomeBytes = 1 + 32 + 3 * 8;

void Write(ByteWriter* out, const Slice& slice) {
  out->Number(slice.id);
  out->Number(static_cast<std::uint8_t>(slice.role));
  out->Bytes(slice.wrapped_key);
}

void Write(ByteWriter* out, const SegmentFile& entry) {
  out->Number(entry.file);
  out->Number(entry.slice);
  out->Number(static_cast<std::uint64_t>(entry.day));
  out->Number(std::uint8_t{entry.closed});
  out->Number(entry.bytes);
  out->Number(entry.records);
}

void Write(ByteWriter* out, const SegmentEntry& entry) {
  Write(out, static_cast<const SegmentFile&>(entry));
  out->Number(entry.first_id);
  out->Number(entry.last_id);
}

void WriteStored(ByteWriter* out, const StoredFile& file) {
  out->Number(file.file);
  out->Number(file.slice);
  out->Number(file.bytes);
  out->Counted<std::uint8_t>(file.adapter);
  out->Bytes(AsText(file.base));
  out->Number(static_cast<std::uint64_t>(file.created));
  out->Number(std::uint8_t{file.tainted});
  out->Number(static_cast<std::uint32_t>(file.seen.size()));
  for (const IdRange& range : file.seen) {
    out->Number(range.first);
    out->Number(range.last);
  }
}

void Write(ByteWriter* out, const CheckpointEntry& entry) {
  WriteStored(out, entry);
  out->Number(entry.run);
  out->Number(entry.step);
}

void Write(ByteWriter* out, const AdapterEntry& entry) {
  WriteStored(out, entry);
  out->Number(entry.generation);
  out->Number(std::uint8_t{entry.promoted});
}

void Write(ByteWriter* out, const AdapterLine& line) {
  out->Counted<std::uint8_t>(line.adapter);
  out->Number(line.serving);
  out->Number(line.next_generation);
  out->Number(line.run);
}

void Write(ByteWriter* out, const QuarantinedFile& entry) {
  out->Number(entry.file);
  out->Number(static_cast<std::uint8_t>(entry.role));
  out->Number(static_cast<std::uint64_t>(entry.when));
  out->Counted<std::uint16_t>(entry.reason);
}

void Write(ByteWriter* out, const OutcomeEntry& entry) {
  out->Counted<std::uint8_t>(entry.adapter);
  out->Bytes(AsText(entry.base));
  out->Number(entry.generation);
  out->Number(entry.shown);
  out->Number(entry.accepted);
}

bool NeedsSecondVersion(const Manifest& manifest) {
  return !manifest.ledger.empty() || !manifest.outcomes.empty();
}

template <typename Entry>
void WriteList(ByteWriter* out, const std::vector<Entry>& entries) {
  out->Number(static_cast<std::uint32_t>(entries.size()));
  for (const Entry& entry : entries) Write(out, entry);
}

// A byte that is 0 or 1: any other would not be written again as it was read.
Status ReadFlag(ByteReader* in, bool* flag) {
  const std::uint8_t value = in->Number<std::uint8_t>();
  if (value > 1) {
    return DataLoss(
        StrCat("manifest: flag ", value, " before byte ", in->position(), ", allowed 0 or 1"));
  }
  *flag = value == 1;
  return OkStatus();
}

// A number of entries of at least `least` bytes each, all of them still to come.
Status ReadCount(ByteReader* in, std::size_t least, std::size_t limit, std::size_t* count) {
  *count = in->Number<std::uint32_t>();
  if (*count > limit || *count > in->remaining() / least) {
    return DataLoss(StrCat("manifest: ", *count, " entries of ", least,
                           " bytes or more announced, ", in->remaining(), " bytes left, ", limit,
                           " entries allowed"));
  }
  return OkStatus();
}

Status Read(ByteReader* in, Slice* slice) {
  slice->id = in->Number<std::uint64_t>();
  slice->role = static_cast<Role>(in->Number<std::uint8_t>());
  slice->wrapped_key = in->Bytes(kWrappedKeyBytes);
  return OkStatus();
}

Status Read(ByteReader* in, SegmentFile* entry) {
  entry->file = in->Number<std::uint64_t>();
  entry->slice = in->Number<std::uint64_t>();
  entry->day = static_cast<std::int64_t>(in->Number<std::uint64_t>());
  ATTUNE_RETURN_IF_ERROR(ReadFlag(in, &entry->closed));
  entry->bytes = in->Number<std::uint64_t>();
  entry->records = in->Number<std::uint64_t>();
  return OkStatus();
}

Status Read(ByteReader* in, SegmentEntry* entry) {
  ATTUNE_RETURN_IF_ERROR(Read(in, static_cast<SegmentFile*>(entry)));
  entry->first_id = in->Number<std::uint64_t>();
  entry->last_id = in->Number<std::uint64_t>();
  return OkStatus();
}

void ReadHash(ByteReader* in, BaseHash* hash) {
  const std::string_view bytes = in->Bytes(hash->size());
  if (!bytes.empty()) std::memcpy(hash->data(), bytes.data(), bytes.size());
}

Status ReadStored(ByteReader* in, StoredFile* file) {
  file->file = in->Number<std::uint64_t>();
  file->slice = in->Number<std::uint64_t>();
  file->bytes = in->Number<std::uint64_t>();
  file->adapter = in->Counted<std::uint8_t>();
  ReadHash(in, &file->base);
  file->created = static_cast<std::int64_t>(in->Number<std::uint64_t>());
  ATTUNE_RETURN_IF_ERROR(ReadFlag(in, &file->tainted));
  std::size_t ranges = 0;
  ATTUNE_RETURN_IF_ERROR(ReadCount(in, kRangeBytes, kMaxSeenRanges, &ranges));
  file->seen.reserve(ranges);
  for (std::size_t i = 0; i < ranges; ++i) {
    const std::uint64_t first = in->Number<std::uint64_t>();
    file->seen.push_back({first, in->Number<std::uint64_t>()});
  }
  return OkStatus();
}

Status Read(ByteReader* in, CheckpointEntry* entry) {
  ATTUNE_RETURN_IF_ERROR(ReadStored(in, entry));
  entry->run = in->Number<std::uint64_t>();
  entry->step = in->Number<std::uint64_t>();
  return OkStatus();
}

Status Read(ByteReader* in, AdapterEntry* entry) {
  ATTUNE_RETURN_IF_ERROR(ReadStored(in, entry));
  entry->generation = in->Number<std::uint64_t>();
  return ReadFlag(in, &entry->promoted);
}

Status Read(ByteReader* in, AdapterLine* line) {
  line->adapter = in->Counted<std::uint8_t>();
  line->serving = in->Number<std::uint64_t>();
  line->next_generation = in->Number<std::uint64_t>();
  line->run = in->Number<std::uint64_t>();
  return OkStatus();
}

Status Read(ByteReader* in, QuarantinedFile* entry) {
  entry->file = in->Number<std::uint64_t>();
  entry->role = static_cast<Role>(in->Number<std::uint8_t>());
  entry->when = static_cast<std::int64_t>(in->Number<std::uint64_t>());
  entry->reason = in->Counted<std::uint16_t>();
  return OkStatus();
}

Status Read(ByteReader* in, OutcomeEntry* entry) {
  entry->adapter = in->Counted<std::uint8_t>();
  ReadHash(in, &entry->base);
  entry->generation = in->Number<std::uint64_t>();
  entry->shown = in->Number<std::uint64_t>();
  entry->accepted = in->Number<std::uint64_t>();
  return OkStatus();
}

template <typename Entry>
Status ReadList(ByteReader* in, std::size_t least, std::vector<Entry>* entries,
                std::size_t limit = kMaxManifestEntries) {
  std::size_t count = 0;
  ATTUNE_RETURN_IF_ERROR(ReadCount(in, least, limit, &count));
  entries->reserve(count);
  // Entries are of different sizes, so the bytes may run out before the count.
  for (std::size_t i = 0; i < count && in->ok(); ++i) {
    ATTUNE_RETURN_IF_ERROR(Read(in, &entries->emplace_back()));
  }
  return OkStatus();
}

}  // namespace

std::string EncodeManifest(const Manifest& manifest) {
  std::string bytes;
  ByteWriter out(&bytes);
  const bool second = NeedsSecondVersion(manifest);
  out.Number(second ? kManifestVersion : kFirstVersion);
  out.Number(manifest.generation);
  out.Number(manifest.next_example);
  out.Number(manifest.next_slice);
  WriteList(&out, manifest.slices);
  WriteList(&out, manifest.segments);
  WriteList(&out, manifest.checkpoints);
  WriteList(&out, manifest.adapters);
  WriteList(&out, manifest.lines);
  WriteList(&out, manifest.quarantine);
  if (!second) return bytes;
  WriteList(&out, manifest.ledger);
  WriteList(&out, manifest.outcomes);
  return bytes;
}

Result<Manifest> DecodeManifest(std::string_view bytes) {
  ByteReader in(bytes);
  const std::uint16_t version = in.Number<std::uint16_t>();
  if (in.ok() && version > kManifestVersion) {
    return Unsupported(
        StrCat("manifest: version ", version, ", this build reads ", kManifestVersion));
  }
  if (in.ok() && version < kFirstVersion) {
    return DataLoss(StrCat("manifest: version ", version, ", the first is ", kFirstVersion));
  }
  Manifest manifest;
  manifest.generation = in.Number<std::uint64_t>();
  manifest.next_example = in.Number<std::uint64_t>();
  manifest.next_slice = in.Number<std::uint64_t>();
  ATTUNE_RETURN_IF_ERROR(ReadList(&in, kSliceBytes, &manifest.slices));
  ATTUNE_RETURN_IF_ERROR(ReadList(&in, kSegmentBytes, &manifest.segments));
  ATTUNE_RETURN_IF_ERROR(ReadList(&in, kStoredBytes + 16, &manifest.checkpoints));
  ATTUNE_RETURN_IF_ERROR(ReadList(&in, kStoredBytes + 9, &manifest.adapters));
  ATTUNE_RETURN_IF_ERROR(ReadList(&in, kLineBytes, &manifest.lines));
  ATTUNE_RETURN_IF_ERROR(ReadList(&in, kQuarantinedBytes, &manifest.quarantine, kMaxQuarantined));
  if (version > kFirstVersion) {
    ATTUNE_RETURN_IF_ERROR(ReadList(&in, kSegmentFileBytes, &manifest.ledger));
    ATTUNE_RETURN_IF_ERROR(ReadList(&in, kOutcomeBytes, &manifest.outcomes));
  }
  if (!in.ok()) {
    return DataLoss(StrCat("manifest: ends at byte ", bytes.size(),
                           ", inside an entry that began"
                           " at or before byte ",
                           in.position()));
  }
  if (in.remaining() != 0) {
    return DataLoss(
        StrCat("manifest: ", bytes.size(), " bytes, the last entry ends at ", in.position()));
  }
  if (version > kFirstVersion && !NeedsSecondVersion(manifest)) {
    return DataLoss(StrCat("manifest: version ", version, ", but nothing that version ",
                           kFirstVersion, " has not"));
  }
  ATTUNE_RETURN_IF_ERROR(CheckManifest(manifest));
  return manifest;
}

}  // namespace attune
