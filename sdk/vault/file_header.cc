#include "vault/file_header.h"

#include "base/strings.h"
#include "vault/byte_order.h"

namespace attune {

namespace {
constexpr std::string_view kMagic = "AttuneVF";
}  // namespace

std::string EncodeFileHeader(const FileHeader& header) {
  std::string bytes(kMagic);
  ByteWriter out(&bytes);
  out.Number(kVaultFormatVersion);
  out.Number(static_cast<std::uint8_t>(header.role));
  out.Number(std::uint8_t{0});
  out.Number(std::uint32_t{0});
  out.Number(header.file);
  out.Number(header.slice);
  return bytes;
}

Status CheckFileHeader(std::string_view bytes, const FileHeader& expected) {
  if (bytes.size() < kFileHeaderBytes) {
    return DataLoss(StrCat("header: ", bytes.size(), " bytes, needs ", kFileHeaderBytes));
  }
  if (bytes.substr(0, kFileHeaderBytes) == EncodeFileHeader(expected)) return OkStatus();
  ByteReader in(bytes);
  if (in.Bytes(kMagic.size()) != kMagic) return DataLoss("header: not a file of a vault");
  const auto version = in.Number<std::uint16_t>();
  if (version != kVaultFormatVersion) {
    return DataLoss(
        StrCat("header: version ", version, ", the manifest is of version ", kVaultFormatVersion));
  }
  const auto role = in.Number<std::uint8_t>();
  if (role != static_cast<std::uint8_t>(expected.role)) {
    return DataLoss(StrCat("header: role ", role, ", expected ", static_cast<int>(expected.role)));
  }
  in.Bytes(5);
  const auto file = in.Number<std::uint64_t>();
  if (file != expected.file) {
    return DataLoss(StrCat("header: file ", file, ", expected ", expected.file));
  }
  const auto slice = in.Number<std::uint64_t>();
  if (slice != expected.slice) {
    return DataLoss(StrCat("header: slice ", slice, ", expected ", expected.slice));
  }
  return DataLoss("header: reserved bytes that are not zero");
}

}  // namespace attune
