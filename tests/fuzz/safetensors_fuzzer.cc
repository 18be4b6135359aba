// Any bytes: an error, or a file whose tensors lie inside it and survive being
// written and read again.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "formats/safetensors.h"
#include "support/memory_file_system.h"

namespace attune {
namespace {

bool Equal(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::equal(a.span().begin(), a.span().end(), b.span().begin());
}

void Check(std::string_view bytes) {
  const auto mapping = std::make_shared<testing::MemoryMapping>(bytes);
  const auto file = SafetensorsFile::Parse(mapping, "fuzz");
  if (!file.ok()) {
    ATTUNE_CHECK(file.status().message().find('\n') == std::string::npos);
    return;
  }
  std::vector<NamedTensor> tensors;
  for (const SafetensorsEntry& entry : file->entries()) {
    const auto view = file->Tensor(entry.name);
    if (!view.ok()) continue;
    const std::byte* begin = mapping->bytes().data();
    ATTUNE_CHECK(view->data >= begin);
    ATTUNE_CHECK(view->data + view->bytes() <= begin + bytes.size());
    tensors.push_back({entry.name, *view});
  }
  testing::MemoryFileSystem fs;
  ATTUNE_CHECK(WriteSafetensors(fs, "copy", tensors, file->metadata()).ok());
  const auto copy = SafetensorsFile::Open(fs, "copy");
  ATTUNE_CHECK(copy.ok());
  ATTUNE_CHECK(copy->aligned());
  for (const NamedTensor& tensor : tensors) {
    ATTUNE_CHECK(Equal(*copy->Tensor(tensor.name), tensor.view));
  }
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
