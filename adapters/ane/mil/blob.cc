#include "ane/mil/blob.h"

#include "base/strings.h"

namespace attune::ane::mil {
namespace {

constexpr std::uint64_t kHeaderBytes = 64;
constexpr std::uint64_t kRecordBytes = 64;
// More than any program has: a damaged count must not lead through a whole file.
constexpr std::uint32_t kMaxRecords = 1 << 16;

template <typename T>
T ReadLittleEndian(std::span<const std::byte> file, std::uint64_t offset) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    value |= static_cast<T>(std::to_integer<T>(file[offset + i]) << (8 * i));
  }
  return value;
}

// The next multiple of 64 behind a record's data, which lie inside the file.
std::uint64_t EndOf(const BlobRecord& record) {
  const std::uint64_t end = record.offset + kRecordBytes + record.data_bytes;
  return (end + kBlobAlignment - 1) / kBlobAlignment * kBlobAlignment;
}

}  // namespace

Result<BlobRecord> ReadRecordHeader(std::span<const std::byte> file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < kRecordBytes) {
    return DataLoss(StrCat("weight record at ", offset, ": the file has ", file.size(),
                           " bytes, a record needs ", kRecordBytes));
  }
  if (ReadLittleEndian<std::uint32_t>(file, offset) != kBlobSentinel) {
    return DataLoss(StrCat("weight record at ", offset,
                           ": no sentinel; the offset in the text is that of the record, not of "
                           "its data, and the first is 64"));
  }
  BlobRecord record;
  record.offset = offset;
  record.dtype = ReadLittleEndian<std::uint32_t>(file, offset + 4);
  record.data_bytes = ReadLittleEndian<std::uint64_t>(file, offset + 8);
  record.data_offset = ReadLittleEndian<std::uint64_t>(file, offset + 16);
  record.padding_bits = ReadLittleEndian<std::uint64_t>(file, offset + 24);
  return record;
}

Result<BlobRecord> ReadRecord(std::span<const std::byte> file, std::uint64_t offset) {
  ATTUNE_ASSIGN_OR_RETURN(const BlobRecord record, ReadRecordHeader(file, offset));
  if (record.data_offset > file.size() || file.size() - record.data_offset < record.data_bytes) {
    return DataLoss(StrCat("weight record at ", offset, ": ", record.data_bytes, " bytes at ",
                           record.data_offset, ", the file has ", file.size()));
  }
  return record;
}

Result<std::vector<BlobRecord>> ReadRecords(std::span<const std::byte> file) {
  if (file.size() < kHeaderBytes) {
    return DataLoss(
        StrCat("weight file: ", file.size(), " bytes, its header needs ", kHeaderBytes));
  }
  const auto count = ReadLittleEndian<std::uint32_t>(file, 0);
  const auto version = ReadLittleEndian<std::uint32_t>(file, 4);
  if (version != 2) {
    return DataLoss(StrCat("weight file: storage version ", version, ", 2 is known"));
  }
  // Some writers leave the count at 1: the records themselves decide, the count only
  // says from where on something else may follow.
  std::vector<BlobRecord> records;
  for (std::uint64_t offset = kHeaderBytes; offset < file.size();) {
    const Result<BlobRecord> record = ReadRecord(file, offset);
    if (!record.ok() && records.size() >= count) break;
    if (!record.ok()) return record.status();
    if (record->data_bytes > file.size() - offset - kRecordBytes) {
      return DataLoss(StrCat("weight record at ", offset, ": ", record->data_bytes,
                             " bytes, the file has ", file.size() - offset - kRecordBytes,
                             " behind it"));
    }
    if (records.size() == kMaxRecords) {
      return DataLoss(StrCat("weight file: more than ", kMaxRecords, " records"));
    }
    records.push_back(*record);
    offset = EndOf(*record);
  }
  if (records.size() < count) {
    return DataLoss(StrCat("weight file: ", records.size(), " records, its header counts ", count));
  }
  return records;
}

int BitsOf(DataType dtype) {
  switch (dtype) {
    case DataType::kUint1:
      return 1;
    case DataType::kUint2:
      return 2;
    case DataType::kUint3:
      return 3;
    case DataType::kInt4:
    case DataType::kUint4:
      return 4;
    case DataType::kUint6:
      return 6;
    case DataType::kInt8:
    case DataType::kUint8:
    case DataType::kBool:
      return 8;
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kInt16:
    case DataType::kUint16:
      return 16;
    case DataType::kFp32:
    case DataType::kInt32:
    case DataType::kUint32:
      return 32;
    case DataType::kInt64:
    case DataType::kUint64:
      return 64;
    case DataType::kString:
      return 0;
  }
  return 0;
}

}  // namespace attune::ane::mil
