#include "ane/compiler/mil_writer.h"

#include <bit>
#include <cmath>

#include "base/half.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr std::string_view kWeightPath = "@model_path/weights/weight.bin";

// Versions that are seen in working programs; nothing checks them, but a program
// without any is refused on some routes.
constexpr std::string_view kHead =
    "program(1.3)\n"
    "[buildInfo = dict<string, string>({{\"coremlc-component-MIL\", \"3510.2.1\"}, "
    "{\"coremlc-version\", \"3505.4.1\"}, {\"coremltools-component-milinternal\", \"\"}, "
    "{\"coremltools-version\", \"9.0\"}})]\n"
    "{\n"
    "    func main<ios18>(";

// 0.75 is 0x1.8p-1. Printed here, not by the C library, so that the bytes are the
// same everywhere.
std::string HexFloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  std::string out = (bits >> 31) != 0 ? "-" : "";
  if (value == 0) return out + "0x0p+0";
  int exponent = 0;
  const float fraction = std::frexp(std::abs(value), &exponent);  // [0.5, 1).
  auto digits = static_cast<std::uint32_t>(std::ldexp(fraction, 24)) & 0x7fffffu;
  out += "0x1";
  if (digits != 0) out += '.';
  for (digits <<= 1; digits != 0; digits = (digits << 4) & 0xffffffu) {
    out += "0123456789abcdef"[digits >> 20];
  }
  return StrCat(out, "p", exponent > 0 ? "+" : "", exponent - 1);
}

}  // namespace

std::string MilWriter::TensorType(std::span<const std::int64_t> dims) const {
  return StrCat("tensor<", element_ == ElementType::kF16 ? "fp16" : "fp32", ", [",
                StrJoin(dims, ", "), "]>");
}

std::string MilWriter::Shared(std::string_view type, std::string literal) {
  const auto found = shared_.find(literal);
  if (found != shared_.end()) return found->second;
  const std::string name = StrCat("c", shared_.size());
  constants_ += StrCat("        ", type, " ", name, " = const()[name = string(\"", name,
                       "\"), val = ", literal, "];\n");
  shared_.emplace(std::move(literal), name);
  return name;
}

std::string MilWriter::Bool(bool value) { return Shared("bool", StrCat("bool(", value, ")")); }

std::string MilWriter::Int(std::int64_t value) {
  return Shared("int32", StrCat("int32(", value, ")"));
}

std::string MilWriter::Ints(std::span<const std::int64_t> values) {
  const std::string type = StrCat("tensor<int32, [", values.size(), "]>");
  return Shared(type, StrCat(type, "([", StrJoin(values, ", "), "])"));
}

std::string MilWriter::Text(std::string_view value) {
  return Shared("string", StrCat("string(\"", value, "\")"));
}

std::string MilWriter::Number(float value) {
  if (element_ == ElementType::kF32) return Shared("fp32", StrCat("fp32(", HexFloat(value), ")"));
  const float rounded = F32FromF16(F16FromF32(value));
  return Shared("fp16", StrCat("fp16(", HexFloat(rounded), ")"));
}

void MilWriter::Blob(std::string_view type, std::string_view name, std::uint64_t offset) {
  constants_ +=
      StrCat("        ", type, " ", name, " = const()[name = string(\"", name, "\"), val = ", type,
             "(BLOBFILE(path = string(\"", kWeightPath, "\"), offset = uint64(", offset, ")))];\n");
}

void MilWriter::Parameter(const Dims& dims, std::string_view name) {
  parameters_ += StrCat(parameters_.empty() ? "" : ", ", TensorType(dims), " ", name);
}

void MilWriter::Statement(const Dims& dims, std::string_view name, std::string_view op,
                          const Arguments& arguments) {
  body_ += StrCat("        ", TensorType(dims), " ", name, " = ", op, "(");
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    body_ += StrCat(i > 0 ? ", " : "", arguments[i].first, " = ", arguments[i].second);
  }
  body_ += StrCat(")[name = string(\"", name, "\")];\n");
}

std::string MilWriter::Finish(std::span<const std::string> returns) const {
  return StrCat(kHead, parameters_, ") {\n", constants_, body_, "    } -> (",
                StrJoin(returns, ", "), ");\n}\n");
}

}  // namespace attune::ane
