#include "ane/driver/model_attributes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ane/driver/foundation.h"
#include "ane/driver/guard.h"
#include "base/strings.h"

namespace attune::ane {

namespace {

using objc::At;
using objc::CountOf;
using objc::Get;
using objc::Id;
using objc::NumberOf;
using objc::Runtime;
using objc::TextOf;

constexpr std::int64_t kMaxSymbols = 1024;
constexpr std::int64_t kMaxExtent = 65536;
constexpr std::int64_t kMaxBytes = std::int64_t{4} << 30;
constexpr std::string_view kOutputSuffix = "@output";

// Names of one side's tables.
struct Side {
  const char* symbols;
  const char* indices;
  const char* list;
  const char* index_set;  // Selector of what answers where the table is missing.
};
constexpr Side kInputs = {"kANEFModelInputSymbolsArrayKey", "ANEFModelInputSymbolIndexArray",
                          "LiveInputList", "inputSymbolIndicesForProcedureIndex:"};
constexpr Side kOutputs = {"kANEFModelOutputSymbolsArrayKey", "ANEFModelOutputSymbolIndexArray",
                           "LiveOutputList", "outputSymbolIndicesForProcedureIndex:"};

std::string_view WithoutSuffix(std::string_view name) {
  if (name.ends_with(kOutputSuffix)) name.remove_suffix(kOutputSuffix.size());
  return name;
}

Status Missing(std::string_view what) {
  return Unsupported(StrCat("the compiled program's attributes: ", what));
}

// Reads positive numbers of one symbol's dictionary and remembers the first failure.
class Fields {
 public:
  Fields(const Runtime& runtime, Id dictionary, std::string_view symbol)
      : runtime_(runtime), dictionary_(dictionary), symbol_(symbol) {}

  std::int64_t Read(const char* key, std::int64_t max, std::optional<std::int64_t> absent = {}) {
    const Id value = Get(runtime_, dictionary_, key);
    if (value == nullptr && absent) return *absent;
    const std::int64_t number = NumberOf(runtime_, value).value_or(0);
    if (number >= 1 && number <= max) return number;
    if (status_.ok()) {
      status_ = Missing(StrCat(key, " of '", symbol_, "' is ", number, ", not 1 to ", max));
    }
    return 1;
  }
  const Status& status() const { return status_; }

 private:
  const Runtime& runtime_;
  Id dictionary_;
  std::string symbol_;
  Status status_;
};

Result<ElementType> ReadElement(const Runtime& runtime, Id entry, std::string_view symbol) {
  const std::string type = TextOf(runtime, Get(runtime, entry, "Type")).value_or("");
  if (type == "Float16") return ElementType::kF16;
  if (type == "Float32") return ElementType::kF32;
  if (type == "Int8") return ElementType::kI8;
  if (type == "UInt8") return ElementType::kU8;
  if (type == "Int32") return ElementType::kI32;
  return Missing(StrCat("'", symbol, "' has the type '", type,
                        "', none of Float16, Float32, Int8, UInt8, Int32"));
}

Status CheckStrides(const SymbolLayout& layout) {
  if (layout.row_stride < layout.width * SizeOf(layout.element)) {
    return Missing(StrCat("rows of '", layout.name, "' are ", layout.row_stride, " bytes apart, ",
                          layout.width, " elements wide"));
  }
  if (layout.plane_stride < layout.row_stride * layout.height) {
    return Missing(StrCat("planes of '", layout.name, "' are ", layout.plane_stride,
                          " bytes apart, ", layout.height, " rows of ", layout.row_stride));
  }
  if (layout.bytes() > kMaxBytes) {
    return Missing(
        StrCat("'", layout.name, "' takes ", layout.bytes(), " bytes of at most ", kMaxBytes));
  }
  return OkStatus();
}

// Not every system tells strides. Rows that fill whole units of alignment lie without
// gaps on all of them; others only those know that tell.
std::optional<std::int64_t> DenseRow(const SymbolLayout& layout) {
  const std::int64_t bytes = layout.width * SizeOf(layout.element);
  if (bytes % kRowAlignment != 0) return std::nullopt;
  return bytes;
}

Result<SymbolLayout> ReadLayout(const Runtime& runtime, Id entry, std::string_view symbol) {
  SymbolLayout layout;
  layout.name = WithoutSuffix(symbol);
  ATTUNE_ASSIGN_OR_RETURN(layout.element, ReadElement(runtime, entry, symbol));
  Fields fields(runtime, entry, symbol);
  layout.channels = fields.Read("Channels", kMaxExtent);
  layout.height = fields.Read("Height", kMaxExtent);
  layout.width = fields.Read("Width", kMaxExtent);
  layout.row_stride = fields.Read("RowStride", kMaxBytes, DenseRow(layout));
  layout.plane_stride = fields.Read("PlaneStride", kMaxBytes, layout.row_stride * layout.height);
  const std::int64_t layers =
      fields.Read("Depth", 1, 1) * fields.Read("Batches", 1, 1) * fields.Read("Interleave", 1, 1);
  const std::int64_t batch = fields.Read("BatchStride", kMaxBytes, layers);
  ATTUNE_RETURN_IF_ERROR(fields.status());
  if (batch > layout.bytes()) layout.batch_stride = batch;
  ATTUNE_RETURN_IF_ERROR(CheckStrides(layout));
  return layout;
}

// The dictionary of a symbol among the live ones; nil without one. An entry's name may be
// another's symbol, so names are asked only where no symbol fits.
Id FindEntry(const Runtime& runtime, Id list, std::string_view symbol) {
  for (const char* key : {"Symbol", "Name"}) {
    for (std::int64_t i = 0; i < std::min(CountOf(runtime, list), kMaxSymbols); ++i) {
      const Id entry = At(runtime, list, i);
      const auto name = TextOf(runtime, Get(runtime, entry, key));
      if (name && WithoutSuffix(*name) == WithoutSuffix(symbol)) return entry;
    }
  }
  return nullptr;
}

std::vector<std::int64_t> IndicesOfSet(const Runtime& runtime, Id set) {
  constexpr objc::Unsigned kNotFound = static_cast<objc::Unsigned>(-1) >> 1;  // NSNotFound.
  std::vector<std::int64_t> indices;
  if (set == nullptr) return indices;
  objc::Unsigned index = runtime.Send<objc::Unsigned>(set, "firstIndex");
  while (index != kNotFound && std::cmp_less(indices.size(), kMaxSymbols)) {
    indices.push_back(static_cast<std::int64_t>(index));
    index = runtime.Send<objc::Unsigned>(set, "indexGreaterThanIndex:", index);
  }
  return indices;
}

// A procedure's indices into the table of symbols.
std::vector<std::int64_t> ReadIndices(const Runtime& runtime, Id model, Id procedure,
                                      const Side& side) {
  std::vector<std::int64_t> indices;
  const Id array = Get(runtime, procedure, side.indices);
  for (std::int64_t i = 0; i < std::min(CountOf(runtime, array), kMaxSymbols); ++i) {
    indices.push_back(NumberOf(runtime, At(runtime, array, i)).value_or(-1));
  }
  if (!indices.empty() || !runtime.Responds(model, side.index_set)) return indices;
  return IndicesOfSet(runtime,
                      runtime.Send<Id>(model, side.index_set, static_cast<std::uint32_t>(0)));
}

Result<Binding> ReadSide(const Runtime& runtime, Id attributes, Id model, const Side& side) {
  const Id description = Get(runtime, attributes, "ANEFModelDescription");
  const Id symbols = Get(runtime, description, side.symbols);
  const Id procedure = At(runtime, Get(runtime, description, "ANEFModelProcedures"), 0);
  const Id status = At(runtime, Get(runtime, attributes, "NetworkStatusList"), 0);
  const Id list = Get(runtime, status, side.list);
  Binding binding{.layouts = {}, .indices = ReadIndices(runtime, model, procedure, side)};
  if (binding.indices.empty()) return Missing(StrCat("no ", side.indices));
  for (const std::int64_t index : binding.indices) {
    const auto symbol = TextOf(runtime, At(runtime, symbols, index));
    if (!symbol) {
      return Missing(
          StrCat("index ", index, " of ", side.symbols, ", which has ", CountOf(runtime, symbols)));
    }
    const Id entry = FindEntry(runtime, list, *symbol);
    if (entry == nullptr) return Missing(StrCat("'", *symbol, "' is not in ", side.list));
    ATTUNE_ASSIGN_OR_RETURN(SymbolLayout layout, ReadLayout(runtime, entry, *symbol));
    binding.layouts.push_back(std::move(layout));
  }
  return binding;
}

}  // namespace

Result<ProcedureLayout> ReadModelAttributes(const Runtime& runtime, Id model) {
  const objc::Pool pool(runtime);
  Id attributes = nullptr;
  if (!objc::Guarded([&] { attributes = runtime.Send<Id>(model, "modelAttributes"); })) {
    return Missing("an exception instead");
  }
  if (attributes == nullptr) return Missing("none");
  ProcedureLayout layout;
  const Id description = Get(runtime, attributes, "ANEFModelDescription");
  const Id procedure = At(runtime, Get(runtime, description, "ANEFModelProcedures"), 0);
  layout.procedure = NumberOf(runtime, Get(runtime, procedure, "ANEFModelProcedureID")).value_or(0);
  ATTUNE_ASSIGN_OR_RETURN(layout.inputs, ReadSide(runtime, attributes, model, kInputs));
  ATTUNE_ASSIGN_OR_RETURN(layout.outputs, ReadSide(runtime, attributes, model, kOutputs));
  return layout;
}

}  // namespace attune::ane
