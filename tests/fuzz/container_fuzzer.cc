// Any bytes: an error of one line, or a container within the limit that encodes
// and decodes to itself.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "vault/bytes.h"
#include "vault/container.h"

namespace attune {
namespace {

constexpr std::uint64_t kLimit = 1 << 20;

std::string Encode(const Container& container) {
  std::vector<ContainerSection> sections;
  for (const auto& s : container.sections) sections.push_back({s.name, s.width, AsBytes(s.bytes)});
  return EncodeContainer(container.fields, sections);
}

// What it would take with every section stored.
std::size_t StoredSize(const Container& container) {
  std::size_t size = 4 + 2 + 4 + 4;
  for (const auto& [key, value] : container.fields) size += 2 + key.size() + 4 + value.size();
  for (const auto& s : container.sections)
    size += 2 + s.name.size() + 1 + 1 + 8 + 8 + s.bytes.size();
  return size;
}

void Check(std::string_view bytes) {
  const auto container = DecodeContainer(bytes, kLimit);
  if (!container.ok()) {
    ATTUNE_CHECK(container.status().message().find('\n') == std::string::npos);
    return;
  }
  std::size_t total = 0;
  for (const auto& [key, value] : container->fields) total += key.size() + value.size();
  for (const auto& section : container->sections) total += section.bytes.size();
  ATTUNE_CHECK(total <= kLimit);
  const std::string encoded = Encode(*container);
  const auto again = DecodeContainer(encoded);
  ATTUNE_CHECK(again.ok() && *again == *container);
  ATTUNE_CHECK(Encode(*again) == encoded);
  // Without compressed bytes there is one form only.
  const std::size_t stored = StoredSize(*container);
  if (bytes.size() == stored && encoded.size() == stored) ATTUNE_CHECK(bytes == encoded);
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::Check(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
