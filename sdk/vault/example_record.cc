#include "vault/example_record.h"

#include <cstdint>
#include <utility>

#include "base/strings.h"
#include "vault/admission.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"
#include "vault/compress.h"

namespace attune {
namespace {

constexpr std::size_t kRecordHeaderBytes = 1 + 4 + 4;
// Three texts of at most kMaxExampleBytes in all, a name and the numbers.
constexpr std::uint64_t kMaxFieldBytes = kMaxExampleBytes + 1024;

bool IsKind(std::uint8_t kind) {
  return kind >= static_cast<std::uint8_t>(ExampleKind::kText) &&
         kind <= static_cast<std::uint8_t>(ExampleKind::kLabelledBlob);
}

}  // namespace

std::string EncodeExampleFields(const StoredExample& stored) {
  const Example& example = stored.example;
  std::string bytes;
  bytes.reserve(64 + example.text.size() + example.prompt.size() + example.blob.size());
  ByteWriter out(&bytes);
  out.Number(stored.id);
  out.Number(static_cast<std::uint64_t>(example.when));
  out.Number(static_cast<std::uint8_t>(example.kind));
  out.Counted<std::uint8_t>(example.source);
  out.Counted<std::uint32_t>(example.text);
  out.Counted<std::uint32_t>(example.prompt);
  out.Counted<std::uint32_t>(example.blob);
  return bytes;
}

Result<StoredExample> DecodeExampleFields(std::string_view fields) {
  ByteReader in(fields);
  StoredExample stored;
  stored.id = in.Number<std::uint64_t>();
  stored.example.when = static_cast<std::int64_t>(in.Number<std::uint64_t>());
  const auto kind = in.Number<std::uint8_t>();
  stored.example.source = in.Counted<std::uint8_t>();
  stored.example.text = in.Counted<std::uint32_t>();
  stored.example.prompt = in.Counted<std::uint32_t>();
  stored.example.blob = in.Counted<std::uint32_t>();
  if (!in.AtEnd()) {
    return DataLoss(StrCat("example: ", fields.size(), " bytes, fields end at ", in.position()));
  }
  if (!IsKind(kind)) return DataLoss(StrCat("example: kind ", kind, ", known are 1 to 3"));
  stored.example.kind = static_cast<ExampleKind>(kind);
  return stored;
}

std::string EncodeExampleRecord(const StoredExample& stored) {
  const std::string fields = EncodeExampleFields(stored);
  const Compressed packed = Compress(AsBytes(fields), /*width=*/1);
  std::string record;
  record.reserve(PaddedSize(kRecordHeaderBytes + packed.bytes.size()));
  ByteWriter out(&record);
  out.Number(static_cast<std::uint8_t>(packed.codec));
  out.Number(static_cast<std::uint32_t>(fields.size()));
  out.Counted<std::uint32_t>(packed.bytes);
  record.resize(PaddedSize(record.size()), '\0');
  return record;
}

Result<StoredExample> DecodeExampleRecord(std::string_view record) {
  ByteReader in(record);
  const auto codec = in.Number<std::uint8_t>();
  const auto size = in.Number<std::uint32_t>();
  const std::string_view packed = in.Counted<std::uint32_t>();
  if (!in.ok() || record.size() != PaddedSize(in.position()) ||
      record.find_first_not_of('\0', in.position()) != record.npos) {
    return DataLoss(StrCat("record: ", record.size(), " bytes, content ends at ", in.position()));
  }
  if (codec > static_cast<std::uint8_t>(Codec::kZstd)) {
    return DataLoss(StrCat("record: codec ", codec, ", known are 0 and 1"));
  }
  if (size > kMaxFieldBytes) {
    return DataLoss(StrCat("record: fields of ", size, " bytes, allowed ", kMaxFieldBytes));
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string fields,
                          Decompress(static_cast<Codec>(codec), packed, /*width=*/1, size));
  return DecodeExampleFields(fields);
}

}  // namespace attune
