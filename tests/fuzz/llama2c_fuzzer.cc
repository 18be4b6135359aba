// Any bytes: an error, or a checkpoint whose tensors lie inside the file.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "formats/llama2c.h"
#include "support/memory_file_system.h"

namespace attune {
namespace {

void Check(std::string_view bytes) {
  const auto mapping = std::make_shared<testing::MemoryMapping>(bytes);
  const auto checkpoint = ParseLlama2c(mapping, "fuzz");
  if (!checkpoint.ok()) {
    ATTUNE_CHECK(checkpoint.status().message().find('\n') == std::string::npos);
    return;
  }
  for (const std::string& name : checkpoint->tensors.names()) {
    const auto view = checkpoint->tensors.Get(name);
    ATTUNE_CHECK(view.ok() && view->bytes() > 0);
    ATTUNE_CHECK(view->data >= mapping->bytes().data());
    ATTUNE_CHECK(view->data + view->bytes() <= mapping->bytes().data() + bytes.size());
  }
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
