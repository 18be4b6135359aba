#include "cli/npy.h"

#include <charconv>
#include <cstring>
#include <optional>

#include "base/checked_math.h"
#include "base/half.h"
#include "base/strings.h"

namespace attune {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kMaxHeader = 1 << 16;

// What follows "'key':" in the header, a Python dictionary.
std::optional<std::string_view> After(std::string_view header, std::string_view key) {
  const auto at = header.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = header.substr(at + key.size());
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == ':')) rest.remove_prefix(1);
  return rest;
}

// "(3, 4)", "(3,)" or "()".
std::optional<std::vector<std::int64_t>> ParseShape(std::string_view text) {
  if (text.empty() || text.front() != '(') return std::nullopt;
  const auto end = text.find(')');
  if (end == std::string_view::npos) return std::nullopt;
  text = text.substr(1, end - 1);
  std::vector<std::int64_t> shape;
  while (!text.empty()) {
    if (text.front() == ' ' || text.front() == ',') {
      text.remove_prefix(1);
      continue;
    }
    std::int64_t extent = 0;
    const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), extent);
    if (error != std::errc() || extent < 0) return std::nullopt;
    shape.push_back(extent);
    text.remove_prefix(static_cast<std::size_t>(next - text.data()));
  }
  return shape;
}

template <typename T>
float Element(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return static_cast<float>(value);
}

float HalfElement(const char* at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return F32FromF16(bits);
}

struct ElementKind {
  std::string_view name;
  std::size_t bytes;
  float (*read)(const char*);
};
constexpr ElementKind kKinds[] = {
    {"<f2", 2, HalfElement},           {"<f4", 4, Element<float>},
    {"<f8", 8, Element<double>},       {"<i4", 4, Element<std::int32_t>},
    {"<i8", 8, Element<std::int64_t>},
};

const ElementKind* KindOf(std::string_view description) {
  for (const ElementKind& kind : kKinds) {
    if (description.size() > 1 && description.substr(1).starts_with(kind.name)) return &kind;
  }
  return nullptr;
}

// The dictionary, and where the data begin.
Result<std::string_view> Header(std::string_view bytes, std::size_t* data) {
  if (bytes.size() < 12 || !bytes.starts_with(kMagic)) return DataLoss("not a .npy file");
  const auto byte = [&](std::size_t i) {
    return std::size_t{static_cast<unsigned char>(bytes[i])};
  };
  const bool wide = byte(6) >= 2;
  std::size_t length = byte(8) | byte(9) << 8;
  if (wide) length |= byte(10) << 16 | byte(11) << 24;
  const std::size_t begin = wide ? 12 : 10;
  if (length > kMaxHeader || begin + length > bytes.size()) {
    return DataLoss(StrCat("header of ", length, " bytes in a file of ", bytes.size()));
  }
  *data = begin + length;
  return bytes.substr(begin, length);
}

}  // namespace

Result<NpyArray> ParseNpy(std::string_view bytes, std::int64_t limit) {
  std::size_t at = 0;
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view header, Header(bytes, &at));
  const auto description = After(header, "'descr'");
  const auto order = After(header, "'fortran_order'");
  const auto text = After(header, "'shape'");
  const auto shape = text ? ParseShape(*text) : std::nullopt;
  if (!description || !order || !shape) return DataLoss("header without descr, order or shape");
  const ElementKind* kind = KindOf(*description);
  if (kind == nullptr) {
    return Unsupported("elements of another type than <f2, <f4, <f8, <i4 or <i8");
  }
  if (!order->starts_with("False")) return Unsupported("column-major order; save it in C order");
  std::int64_t elements = 1;
  for (const std::int64_t extent : *shape) {
    const auto product = CheckedMul(elements, extent);
    if (!product || *product > limit) {
      return ResourceExhausted(StrCat("more than ", limit, " elements"));
    }
    elements = *product;
  }
  if ((bytes.size() - at) / kind->bytes < static_cast<std::size_t>(elements)) {
    return DataLoss(StrCat(bytes.size() - at, " bytes of data, ", elements, " elements of ",
                           kind->bytes, " bytes"));
  }
  NpyArray array{*shape, {}};
  array.data.reserve(static_cast<std::size_t>(elements));
  for (std::int64_t i = 0; i < elements; ++i, at += kind->bytes) {
    array.data.push_back(kind->read(bytes.data() + at));
  }
  return array;
}

std::string NpyBytes(std::span<const std::int64_t> shape, std::span<const float> data) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const std::int64_t extent : shape) header += StrCat(extent, ", ");
  header += "), }";
  // Data begin at a multiple of 64; the header ends with a line break.
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::string out(kMagic);
  out +=
      {'\1', '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  out += header;
  const auto at = out.size();
  out.resize(at + data.size_bytes());
  std::memcpy(out.data() + at, data.data(), data.size_bytes());
  return out;
}

}  // namespace attune
