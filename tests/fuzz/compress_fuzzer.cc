// Codec, width and size from the first bytes, the rest as compressed bytes: an
// error of one line, or exactly the size asked for. And as content: it comes back.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "vault/bytes.h"
#include "vault/compress.h"

namespace attune {
namespace {

void CheckComesBack(std::string_view content) {
  for (const std::uint8_t width : {1, 2, 4, 8}) {
    const Compressed made = Compress(AsBytes(content), width);
    ATTUNE_CHECK(made.bytes.size() <= content.size());
    const auto back = Decompress(made.codec, made.bytes, width, content.size());
    ATTUNE_CHECK(back.ok() && *back == content);
  }
}

void Check(std::string_view bytes) {
  if (bytes.size() < 5) return;
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const auto codec = static_cast<Codec>(at(0));
  const std::uint8_t width = at(1);
  // Up to 4 MiB, and now and then a size that no memory holds.
  std::uint64_t size = at(2) | at(3) << 8 | std::uint64_t{at(4)} << 16;
  size = at(4) < 64 ? size : size << 40;
  bytes.remove_prefix(5);
  const auto out = Decompress(codec, bytes, width, size);
  if (!out.ok()) {
    ATTUNE_CHECK(out.status().message().find('\n') == std::string::npos);
  } else {
    ATTUNE_CHECK(out->size() == size);
    CheckComesBack(std::string_view(*out).substr(0, 1 << 16));
  }
  CheckComesBack(bytes);
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
