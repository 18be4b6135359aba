// Any bytes as a weight file: an error, or records that lie inside it; and rules that
// judge a program over it without reading beyond.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ane/constraints/constraint.h"
#include "ane/mil/blob.h"
#include "ane/mil/parse.h"
#include "base/check.h"

namespace attune::ane {
namespace {

constexpr std::string_view kProgram = R"(program(1.3) {
  func main<ios18>(tensor<fp16, [1,8,1,32]> x) {
    tensor<fp16, [8,8,1,1]> v = const()[val=tensor<fp16, [8,8,1,1]>(
        BLOBFILE(path=string("@model_path/w.bin"), offset=uint64(64)))];
    tensor<int8, [8,8,1,1]> w = const()[val=tensor<int8, [8,8,1,1]>(
        BLOBFILE(path=string("@model_path/w.bin"), offset=uint64(256)))];
    tensor<fp16, [1,8,1,32]> y = add(x=x, y=x);
  } -> (y);
})";

void CheckRecord(const mil::BlobRecord& record, std::size_t file_bytes) {
  ATTUNE_CHECK(record.offset <= file_bytes && record.data_offset <= file_bytes);
  ATTUNE_CHECK(record.data_bytes <= file_bytes - record.data_offset);
}

void CheckFile(std::span<const std::byte> file) {
  if (const auto records = mil::ReadRecords(file); records.ok()) {
    std::uint64_t last = 0;
    for (const mil::BlobRecord& record : *records) {
      ATTUNE_CHECK(record.offset > last && record.offset % mil::kBlobAlignment == 0);
      last = record.offset;
      CheckRecord(record, file.size());
      ATTUNE_CHECK(mil::ReadRecord(file, record.offset)->data_bytes == record.data_bytes);
    }
  }
  for (std::uint64_t offset = 0; offset < 1024; offset += 32) {
    const auto record = mil::ReadRecord(file, offset);
    if (record.ok()) CheckRecord(*record, file.size());
  }
  static const auto& program = *new Result<mil::Program>(mil::Parse(kProgram));
  const WeightFiles files = {{"@model_path/w.bin", file}};
  for (const int os : {15, 26, 27}) {
    for (const Violation& violation : Validate({*program, &files, {Chip::kM4, os}})) {
      ATTUNE_CHECK(violation.rule.starts_with("records."));
    }
  }
}

}  // namespace
}  // namespace attune::ane

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::ane::CheckFile(std::as_bytes(std::span(data, size)));
  return 0;
}
