#include "vault/file_names.h"

#include <array>
#include <utility>

#include "base/check.h"

namespace attune {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kIdDigits = 16;
constexpr std::array<std::pair<Role, std::string_view>, 4> kExtensions = {
    {{Role::kCheckpoint, ".checkpoint"},
     {Role::kAdapter, ".adapter"},
     {Role::kExamples, ".examples"},
     {Role::kLedger, ".ledger"}}};

}  // namespace

std::string FormatFileName(Role role, std::uint64_t file) {
  std::string name(kIdDigits, '0');
  for (std::size_t i = 0; i < kIdDigits; ++i)
    name[kIdDigits - 1 - i] = kDigits[file >> (4 * i) & 15];
  for (const auto& [of, extension] : kExtensions) {
    if (of == role) return name.append(extension);
  }
  ATTUNE_CHECK(false && "role without files");
  return {};
}

std::optional<FileName> ParseFileName(std::string_view name) {
  if (name.size() <= kIdDigits) return std::nullopt;
  FileName parsed;
  for (const char c : name.substr(0, kIdDigits)) {
    const std::size_t digit = kDigits.find(c);
    if (digit == kDigits.npos) return std::nullopt;
    parsed.file = parsed.file << 4 | digit;
  }
  for (const auto& [role, extension] : kExtensions) {
    if (name.substr(kIdDigits) != extension) continue;
    parsed.role = role;
    return parsed;
  }
  return std::nullopt;
}

bool IsTemporaryName(std::string_view name) {
  return name.starts_with(".attune-") && name.ends_with(".tmp");
}

}  // namespace attune
