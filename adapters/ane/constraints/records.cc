// What lies in the weight files at the places a program refers to. Nothing is found
// where the files are not given.

#include <optional>
#include <set>
#include <string>

#include "ane/constraints/reading.h"
#include "ane/mil/blob.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

using mil::BlobRecord;
using mil::DataType;

constexpr std::uint64_t kRecordBytes = 64;

// Calls check(use, file) for each place once; a missing file is another rule's.
template <typename Check>
void ForEachPlace(const Reading& reading, const Check& check) {
  if (reading.weights() == nullptr) return;
  std::set<std::pair<std::string_view, std::uint64_t>> seen;
  for (const FunctionReading& function : reading.functions()) {
    for (const BlobUse& use : function.blobs()) {
      if (!seen.emplace(use.blob->path, use.blob->offset).second) continue;
      const auto file = reading.weights()->find(use.blob->path);
      if (file != reading.weights()->end()) check(use, file->second);
    }
  }
}

// And for each record that is one.
template <typename Check>
void ForEachRecord(const Reading& reading, const Check& check) {
  ForEachPlace(reading, [&](const BlobUse& use, std::span<const std::byte> file) {
    const auto record = mil::ReadRecordHeader(file, use.blob->offset);
    if (record.ok()) check(use, file, *record);
  });
}

std::string PlaceOf(const BlobUse& use) {
  return StrCat(Shown(use.blob->path), " at ", use.blob->offset);
}

// Bytes that the text's type needs; nullopt of strings.
std::optional<std::uint64_t> BytesOf(const mil::Type& type) {
  const int bits = mil::BitsOf(type.dtype);
  if (bits == 0) return std::nullopt;
  return (static_cast<std::uint64_t>(type.elements()) * static_cast<std::uint64_t>(bits) + 7) / 8;
}

// The code of a type in a record; 0 of those without one.
std::uint32_t CodeOf(DataType dtype) {
  switch (dtype) {
    case DataType::kFp16:
      return 1;
    case DataType::kFp32:
      return 2;
    case DataType::kUint8:
      return 3;
    case DataType::kInt8:
      return 4;
    case DataType::kBf16:
      return 5;
    case DataType::kInt16:
      return 6;
    case DataType::kUint16:
      return 7;
    case DataType::kInt4:
      return 8;
    case DataType::kUint1:
      return 9;
    case DataType::kUint2:
      return 10;
    case DataType::kUint4:
      return 11;
    case DataType::kUint3:
      return 12;
    case DataType::kUint6:
      return 13;
    case DataType::kInt32:
      return 14;
    case DataType::kUint32:
      return 15;
    default:
      return 0;
  }
}

void CheckFile(const Reading& reading, Findings* found) {
  if (reading.weights() == nullptr) return;
  std::set<std::string_view> seen;
  for (const FunctionReading& function : reading.functions()) {
    for (const BlobUse& use : function.blobs()) {
      if (reading.weights()->contains(use.blob->path) || !seen.insert(use.blob->path).second) {
        continue;
      }
      found->Add(use.at, Shown(use.blob->path) + " is not among the weight files given");
    }
  }
}

void CheckSentinel(const Reading& reading, Findings* found) {
  ForEachPlace(reading, [&](const BlobUse& use, std::span<const std::byte> file) {
    const auto record = mil::ReadRecordHeader(file, use.blob->offset);
    if (record.ok()) return;
    found->Add(use.at, StrCat(Shown(use.blob->path), ": ", record.status().message()));
  });
}

// Where the data would be taken from: the record's own word, as far as it goes.
void CheckBounds(const Reading& reading, Findings* found) {
  ForEachRecord(
      reading, [&](const BlobUse& use, std::span<const std::byte> file, const BlobRecord& record) {
        const auto needed = BytesOf(*use.type);
        if (!needed) return;
        if (record.data_offset <= file.size() && file.size() - record.data_offset >= *needed)
          return;
        found->Add(use.at, StrCat(PlaceOf(use), ": ", *needed, " bytes from ", record.data_offset,
                                  " on, the file has ", file.size()));
      });
}

void CheckSize(const Reading& reading, Findings* found) {
  ForEachRecord(
      reading, [&](const BlobUse& use, std::span<const std::byte>, const BlobRecord& record) {
        const auto needed = BytesOf(*use.type);
        if (!needed || record.data_bytes == *needed) return;
        found->Add(use.at, StrCat(PlaceOf(use), ": the record says ", record.data_bytes, " bytes, ",
                                  mil::ToString(*use.type), " has ", *needed));
      });
}

void CheckDataOffset(const Reading& reading, Findings* found) {
  ForEachRecord(reading, [&](const BlobUse& use, std::span<const std::byte>,
                             const BlobRecord& record) {
    if (record.data_offset == record.offset + kRecordBytes) return;
    found->Add(use.at, StrCat(PlaceOf(use), ": the record's data offset is ", record.data_offset,
                              ", its data are at ", record.offset + kRecordBytes,
                              "; offsets count from the beginning of the file"));
  });
}

void CheckAlignment(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    for (const BlobUse& use : function.blobs()) {
      if (use.blob->offset % mil::kBlobAlignment == 0) continue;
      found->Add(use.at,
                 StrCat(PlaceOf(use), ": records lie at multiples of ", mil::kBlobAlignment));
    }
  }
}

void CheckDtype(const Reading& reading, Findings* found) {
  ForEachRecord(
      reading, [&](const BlobUse& use, std::span<const std::byte>, const BlobRecord& record) {
        const std::uint32_t code = CodeOf(use.type->dtype);
        if (code == 0 || record.dtype == code) return;
        found->Add(use.at, StrCat(PlaceOf(use), ": the record says type ", record.dtype, ", ",
                                  mil::DataTypeName(use.type->dtype), " is ", code));
      });
}

constexpr Constraint kConstraints[] = {
    {"records.file", Severity::kCompile, "Every weight file that the text names is given.",
     "the in-memory route; sure", Everywhere, CheckFile},
    {"records.sentinel", Severity::kCompile,
     "The offset in the text is that of a record, which begins with its sentinel.",
     "every chip; the storage format and all sources agree", Everywhere, CheckSentinel},
    {"records.bounds", Severity::kCompile, "The data of a record lie inside the file.",
     "the storage format", Everywhere, CheckBounds},
    {"records.size", Severity::kCompile,
     "The size in a record is that of the tensor in the text, to the byte.",
     "M3 Pro, M3 Ultra, macOS 15.7; later systems do not look", OnMacOs15, CheckSize},
    {"records.data_offset_strict", Severity::kCompile,
     "The data offset in a record is the record's own plus 64.", "macOS 15.7; derived", OnMacOs15,
     CheckDataOffset},
    {"records.data_offset", Severity::kSilent,
     "A data offset that is not the record's own plus 64 reads other weights.",
     "A18 Pro, macOS 27, and M5 Max; two sources found the cause", FromMacOs26, CheckDataOffset},
    {"records.alignment", Severity::kDoubtful, "Records lie at multiples of 64 bytes.",
     "the storage format; one published writer does otherwise and works", Everywhere,
     CheckAlignment},
    {"records.dtype", Severity::kDoubtful, "The type code in a record is that of the text.",
     "the storage format; a shipping product writes another for int8 and works", Everywhere,
     CheckDtype},
};

}  // namespace

std::span<const Constraint> RecordConstraints() { return kConstraints; }

}  // namespace attune::ane
