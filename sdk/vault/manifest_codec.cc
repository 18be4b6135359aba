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

constexpr std::uint16_t kManifestVersion = 1;

// The least that one entry takes, to hold a count against the bytes there are.
constexpr std::size_t kSliceBytes = 8 + 1 + kWrappedKeyBytes;
constexpr std::size_t kSegmentBytes = 7 * 8 + 1;
constexpr std::size_t kRangeBytes = 16;
constexpr std::size_t kStoredBytes = 3 * 8 + 1 + 32 + 8 + 1 + 4;
constexpr std::size_t kLineBytes = 1 + 3 * 8;
constexpr std::size_t kQuarantinedBytes = 8 + 1 + 8 + 2;

void Write(ByteWriter* out, const Slice& slice) {
  out->Number(slice.id);
  out->Number(static_cast<std::uint8_t>(slice.role));
  out->Bytes(slice.wrapped_key);
}

void Write(ByteWriter* out, const SegmentEntry& entry) {
  out->Number(entry.file);
  out->Number(entry.slice);
  out->Number(static_cast<std::uint64_t>(entry.day));
  out->Number(std::uint8_t{entry.closed});
  out->Number(entry.bytes);
  out->Number(entry.records);
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

Status Read(ByteReader* in, SegmentEntry* entry) {
  entry->file = in->Number<std::uint64_t>();
  entry->slice = in->Number<std::uint64_t>();
  entry->day = static_cast<std::int64_t>(in->Number<std::uint64_t>());
  ATTUNE_RETURN_IF_ERROR(ReadFlag(in, &entry->closed));
  entry->bytes = in->Number<std::uint64_t>();
  entry->records = in->Number<std::uint64_t>();
  entry->first_id = in->Number<std::uint64_t>();
  entry->last_id = in->Number<std::uint64_t>();
  return OkStatus();
}

Status ReadStored(ByteReader* in, StoredFile* file) {
  file->file = in->Number<std::uint64_t>();
  file->slice = in->Number<std::uint64_t>();
  file->bytes = in->Number<std::uint64_t>();
  file->adapter = in->Counted<std::uint8_t>();
  const std::string_view base = in->Bytes(file->base.size());
  if (!base.empty()) std::memcpy(file->base.data(), base.data(), base.size());
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
  out.Number(kManifestVersion);
  out.Number(manifest.generation);
  out.Number(manifest.next_example);
  out.Number(manifest.next_slice);
  WriteList(&out, manifest.slices);
  WriteList(&out, manifest.segments);
  WriteList(&out, manifest.checkpoints);
  WriteList(&out, manifest.adapters);
  WriteList(&out, manifest.lines);
  WriteList(&out, manifest.quarantine);
  return bytes;
}

Result<Manifest> DecodeManifest(std::string_view bytes) {
  ByteReader in(bytes);
  const std::uint16_t version = in.Number<std::uint16_t>();
  if (in.ok() && version > kManifestVersion) {
    return Unsupported(
        StrCat("manifest: version ", version, ", this build reads ", kManifestVersion));
  }
  if (in.ok() && version < kManifestVersion) {
    return DataLoss(StrCat("manifest: version ", version, ", the first is ", kManifestVersion));
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
  ATTUNE_RETURN_IF_ERROR(CheckManifest(manifest));
  return manifest;
}

}  // namespace attune
