#include "ports/key_store.h"

#include <algorithm>

#include "base/strings.h"

namespace attune {

Status CheckKeyStoreName(std::string_view name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
  if (plain && !name.empty() && name.size() <= kMaxKeyStoreNameBytes) return OkStatus();
  return InvalidArgument(StrCat("key name of ", name.size(), " bytes: takes 1 to ",
                                kMaxKeyStoreNameBytes, " of a-z, 0-9, '.', '_' and '-'"));
}

Status CheckKeyStoreItem(std::string_view name, std::size_t bytes) {
  ATTUNE_RETURN_IF_ERROR(CheckKeyStoreName(name));
  if (bytes >= 1 && bytes <= kMaxKeyStoreItemBytes) return OkStatus();
  return InvalidArgument(
      StrCat(name, ": item of ", bytes, " bytes, takes 1 to ", kMaxKeyStoreItemBytes));
}

}  // namespace attune
