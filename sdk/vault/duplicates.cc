#include "vault/duplicates.h"

#include <array>
#include <cstring>
#include <utility>

#include "base/strings.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"
#include "vault/seal.h"
#include "vault/segment.h"
#include "vault/segment_reader.h"

namespace attune {
namespace {

constexpr std::string_view kFingerprintLabel = "attune/v1/fingerprints";

Result<std::vector<Fingerprint>> ReadFooter(Vault& vault, const SegmentEntry& segment,
                                            ByteSpan key) {
  const std::uint64_t size = FrameBytes(4 + sizeof(Fingerprint) * segment.records);
  if (segment.records > kSegmentRecords || size > segment.bytes) {
    return DataLoss("footer: none");
  }
  ATTUNE_ASSIGN_OR_RETURN(const auto file, vault.ports().files->OpenForReading(
                                               vault.PathOf(Role::kExamples, segment.file)));
  std::string bytes(static_cast<std::size_t>(size), '\0');
  ATTUNE_RETURN_IF_ERROR(
      file->ReadAt(segment.bytes - size, std::as_writable_bytes(std::span(bytes))));
  ATTUNE_ASSIGN_OR_RETURN(
      const std::string footer,
      OpenFrame(
          {.crypto = vault.ports().crypto, .vault = vault.id(), .file = segment.file, .key = key},
          kFooterIndex, bytes));
  return DecodeFooter(footer);
}

}  // namespace

Result<Secret> FingerprintKey(Crypto& crypto, ByteSpan slice_key) {
  Secret key(crypto, kSealKeyBytes);
  ATTUNE_RETURN_IF_ERROR(
      crypto.Hkdf(slice_key, /*salt=*/{}, AsBytes(kFingerprintLabel), key.bytes()));
  return key;
}

Result<Fingerprint> FingerprintOf(Crypto& crypto, ByteSpan fingerprint_key,
                                  const Example& example) {
  // Lengths first, so that no two examples give the same bytes.
  std::string lengths;
  ByteWriter out(&lengths);
  out.Number(static_cast<std::uint8_t>(example.kind));
  out.Number(std::uint64_t{example.text.size()});
  out.Number(std::uint64_t{example.prompt.size()});
  const std::array<ByteSpan, 5> parts = {fingerprint_key, AsBytes(lengths), AsBytes(example.text),
                                         AsBytes(example.prompt), AsBytes(example.blob)};
  ATTUNE_ASSIGN_OR_RETURN(const Sha256Digest digest, crypto.Sha256(parts));
  ByteReader in(AsText(digest));
  return in.Number<Fingerprint>();
}

std::string EncodeFooter(const std::vector<Fingerprint>& fingerprints) {
  std::string bytes;
  ByteWriter out(&bytes);
  out.Number(static_cast<std::uint32_t>(fingerprints.size()));
  for (const Fingerprint fingerprint : fingerprints) out.Number(fingerprint);
  return bytes;
}

Result<std::vector<Fingerprint>> DecodeFooter(std::string_view footer) {
  ByteReader in(footer);
  const auto count = in.Number<std::uint32_t>();
  if (!in.ok() || in.remaining() != std::uint64_t{count} * sizeof(Fingerprint)) {
    return DataLoss(StrCat("footer: ", footer.size(), " bytes for ", count, " records"));
  }
  std::vector<Fingerprint> fingerprints(count);
  for (Fingerprint& fingerprint : fingerprints) fingerprint = in.Number<Fingerprint>();
  return fingerprints;
}

Result<std::vector<Fingerprint>> ReadFingerprints(Vault& vault, const SegmentEntry& segment) {
  ATTUNE_ASSIGN_OR_RETURN(const Secret key, vault.SliceKey(segment.slice));
  Result<std::vector<Fingerprint>> footer = ReadFooter(vault, segment, key.bytes());
  if (footer.ok() || footer.status().code() != StatusCode::kDataLoss) return footer;
  Crypto& crypto = *vault.ports().crypto;
  ATTUNE_ASSIGN_OR_RETURN(const Secret fingerprint_key, FingerprintKey(crypto, key.bytes()));
  std::vector<Fingerprint> fingerprints;
  Status status;
  ATTUNE_RETURN_IF_ERROR(ReadSegment(vault, segment, [&](const StoredExample& stored) {
                           auto fingerprint =
                               FingerprintOf(crypto, fingerprint_key.bytes(), stored.example);
                           if (!fingerprint.ok()) {
                             status = fingerprint.status();
                             return false;
                           }
                           fingerprints.push_back(*fingerprint);
                           return true;
                         }).status());
  ATTUNE_RETURN_IF_ERROR(status);
  return fingerprints;
}

Status DuplicateIndex::Follow(Vault& vault, const Manifest& manifest, std::uint64_t slice) {
  if (slice == slice_ && generation_ == manifest.generation) return OkStatus();
  if (slice != slice_) *this = DuplicateIndex();
  slice_ = slice;
  for (const SegmentEntry& segment : manifest.segments) {
    if (segment.slice != slice || !segment.closed || files_.contains(segment.file)) continue;
    const Result<std::vector<Fingerprint>> fingerprints = ReadFingerprints(vault, segment);
    if (fingerprints.ok()) {
      for (const Fingerprint fingerprint : *fingerprints) ++counts_[fingerprint];
    } else if (fingerprints.status().code() != StatusCode::kDataLoss &&
               fingerprints.status().code() != StatusCode::kNotFound) {
      return fingerprints.status();
    }
    // Damage is for readers to report: here it means some duplicates more.
    files_.insert(segment.file);
  }
  generation_ = manifest.generation;
  return OkStatus();
}

std::int64_t DuplicateIndex::Count(Fingerprint fingerprint) const {
  const auto found = counts_.find(fingerprint);
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace attune
