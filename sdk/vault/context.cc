#include "vault/context.h"

#include <span>
#include <string_view>

#include "base/check.h"
#include "vault/byte_order.h"

namespace attune {
namespace {

constexpr std::string_view kMagic = "attune/vault";

std::string_view Chars(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

const char* RoleName(Role role) {
  switch (role) {
    case Role::kManifest:
      return "manifest";
    case Role::kCheckpoint:
      return "checkpoint";
    case Role::kAdapter:
      return "adapter";
    case Role::kExamples:
      return "examples";
    case Role::kSliceKey:
      return "slice key";
    case Role::kLedger:
      return "ledger";
  }
  return "unknown role";
}

std::string EncodeContext(const SealContext& context) {
  ATTUNE_CHECK(context.adapter.size() <= kMaxContextAdapterBytes);
  // Every field has a fixed place but the last one, so that no two contexts run
  // into the same bytes.
  std::string bytes;
  ByteWriter writer(&bytes);
  writer.Bytes(kMagic);
  writer.Number(kVaultFormatVersion);
  writer.Number(static_cast<std::uint8_t>(context.role));
  writer.Bytes(Chars(context.vault));
  writer.Bytes(Chars(context.base));
  writer.Number(context.generation);
  writer.Number(context.index);
  writer.Counted<std::uint8_t>(context.adapter);
  return bytes;
}

}  // namespace attune
