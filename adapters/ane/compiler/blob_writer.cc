#include "ane/compiler/blob_writer.h"

#include <utility>

#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr std::uint64_t kAlignment = 64;  // Also the size of header and record.
constexpr std::uint64_t kMaxFileBytes = std::uint64_t{4} << 30;
constexpr std::uint32_t kSentinel = 0xDEADBEEF;
constexpr std::uint32_t kVersion = 2;

constexpr std::uint64_t Aligned(std::uint64_t n) {
  return (n + kAlignment - 1) / kAlignment * kAlignment;
}

void Put(std::vector<std::byte>* file, std::uint64_t at, std::uint64_t number, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    (*file)[static_cast<std::size_t>(at) + static_cast<std::size_t>(i)] =
        static_cast<std::byte>(number >> (8 * i));
  }
}

}  // namespace

void BlobWriter::Reserve(std::uint64_t bytes, std::uint64_t records) {
  if (bytes < kMaxFileBytes) file_.reserve(bytes + (2 * records + 1) * kAlignment);
}

Result<BlobWriter::Record> BlobWriter::Add(BlobType type, std::uint64_t bytes,
                                           std::uint64_t padding_bits) {
  const std::uint64_t at = file_.empty() ? kAlignment : Aligned(file_.size());
  if (bytes >= kMaxFileBytes || at + kAlignment + bytes >= kMaxFileBytes) {
    return ResourceExhausted(StrCat("weight file: ", bytes, " bytes after ", at, ", limit ",
                                    kMaxFileBytes, ": split the program"));
  }
  file_.resize(static_cast<std::size_t>(at + kAlignment + bytes));
  Put(&file_, at, kSentinel, 4);
  Put(&file_, at + 4, static_cast<std::uint32_t>(type), 4);
  Put(&file_, at + 8, bytes, 8);
  // From the file's beginning, in every record: one that repeats the first's reads
  // the first's numbers.
  Put(&file_, at + 16, at + kAlignment, 8);
  Put(&file_, at + 24, padding_bits, 8);
  ++records_;
  return Record{at, std::span(file_).last(static_cast<std::size_t>(bytes))};
}

std::vector<std::byte> BlobWriter::Finish() {
  if (records_ > 0) {
    Put(&file_, 0, records_, 4);
    Put(&file_, 4, kVersion, 4);
  }
  records_ = 0;
  return std::exchange(file_, {});
}

}  // namespace attune::ane
