#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "base/checked_math.h"
#include "base/strings.h"
#include "formats/json.h"
#include "formats/json_writer.h"

namespace attune {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

namespace {

constexpr std::uint64_t kLengthBytes = 8;
// The reference's limit; it keeps a lying length from sizing anything.
constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;
// Header, entry, shape.
constexpr int kHeaderDepth = 3;
constexpr std::string_view kMetadataKey = "__metadata__";

// Every dtype of the format, smallest alignment first as in the reference.
struct DTypeInfo {
  std::string_view name;
  int bits;
  std::optional<DType> ours;
};
constexpr std::array kDTypes = {
    DTypeInfo{"BOOL", 8, {}},
    DTypeInfo{"F4", 4, {}},
    DTypeInfo{"F6_E2M3", 6, {}},
    DTypeInfo{"F6_E3M2", 6, {}},
    DTypeInfo{"U8", 8, {}},
    DTypeInfo{"I8", 8, {}},
    DTypeInfo{"F8_E5M2", 8, {}},
    DTypeInfo{"F8_E4M3", 8, {}},
    DTypeInfo{"F8_E8M0", 8, {}},
    DTypeInfo{"F8_E4M3FNUZ", 8, {}},
    DTypeInfo{"F8_E5M2FNUZ", 8, {}},
    DTypeInfo{"I16", 16, {}},
    DTypeInfo{"U16", 16, {}},
    DTypeInfo{"F16", 16, DType::kF16},
    DTypeInfo{"BF16", 16, DType::kBf16},
    DTypeInfo{"I32", 32, DType::kI32},
    DTypeInfo{"U32", 32, {}},
    DTypeInfo{"F32", 32, DType::kF32},
    DTypeInfo{"C64", 64, {}},
    DTypeInfo{"F64", 64, DType::kF64},
    DTypeInfo{"I64", 64, {}},
    DTypeInfo{"U64", 64, {}},
};

const DTypeInfo* FindDType(std::string_view name) {
  const auto* found = std::find_if(kDTypes.begin(), kDTypes.end(),
                                   [name](const DTypeInfo& info) { return info.name == name; });
  return found == kDTypes.end() ? nullptr : found;
}

// Where a dtype of ours stands in the table: the writer's sort order.
std::size_t RankOf(DType dtype) {
  const auto* found = std::find_if(kDTypes.begin(), kDTypes.end(),
                                   [dtype](const DTypeInfo& info) { return info.ours == dtype; });
  return static_cast<std::size_t>(found - kDTypes.begin());
}

// The text of the header, its length checked against the file.
Result<std::string_view> HeaderText(std::span<const std::byte> bytes) {
  if (bytes.size() < kLengthBytes) {
    return DataLoss(StrCat(bytes.size(), " bytes, needs at least ", kLengthBytes));
  }
  std::uint64_t length;
  std::memcpy(&length, bytes.data(), kLengthBytes);
  if (length > kMaxHeaderBytes) {
    return DataLoss(StrCat("header of ", length, " bytes, allowed at most ", kMaxHeaderBytes));
  }
  if (length > bytes.size() - kLengthBytes) {
    return DataLoss(StrCat("header of ", length, " bytes, the file has ",
                           bytes.size() - kLengthBytes, " after its length"));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + kLengthBytes,
                              static_cast<std::size_t>(length));
  if (text.empty() || text.front() != '{') return DataLoss("header does not begin with '{'");
  return text;
}

Result<SafetensorsMetadata> ReadMetadata(const Json& json) {
  SafetensorsMetadata metadata;
  if (json.is_null()) return metadata;  // MLX writes that for none.
  if (!json.is_object()) return DataLoss("__metadata__ is not an object");
  for (const JsonMember& member : json.members()) {
    if (!member.value.is_string()) {
      return DataLoss(StrCat("__metadata__: ", Quoted(member.key), " is not a string"));
    }
    metadata.emplace(member.key, member.value.string_value());
  }
  return metadata;
}

// How many bytes the shape takes; nothing if that is not a whole number below 2^63.
std::optional<std::uint64_t> BytesOf(const std::vector<std::int64_t>& shape, int bits_each) {
  std::int64_t bits = 1;
  for (const std::int64_t extent : shape) {
    const auto product = CheckedMul(bits, extent);
    if (!product) return std::nullopt;
    bits = *product;
  }
  const auto total = CheckedMul(bits, std::int64_t{bits_each});
  if (!total || *total % 8 != 0) return std::nullopt;
  return static_cast<std::uint64_t>(*total / 8);
}

Status ReadEntry(const Json& json, SafetensorsEntry* entry) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view dtype, json.GetString("dtype"));
  const DTypeInfo* info = FindDType(dtype);
  if (info == nullptr) return DataLoss(StrCat("unknown dtype ", Quoted(dtype)));
  entry->dtype = dtype;

  ATTUNE_ASSIGN_OR_RETURN(const Json* shape, json.GetArray("shape"));
  for (std::size_t i = 0; i < shape->size(); ++i) {
    ATTUNE_ASSIGN_OR_RETURN(const std::int64_t extent, shape->IntAt(i, 0));
    entry->shape.push_back(extent);
  }

  ATTUNE_ASSIGN_OR_RETURN(const Json* offsets, json.GetArray("data_offsets"));
  if (offsets->size() != 2) {
    return DataLoss(StrCat("data_offsets of ", offsets->size(), " numbers, needs 2"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t begin, offsets->IntAt(0, 0));
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t end, offsets->IntAt(1, 0));
  if (end < begin) return DataLoss(StrCat("ends at byte ", end, " before it begins at ", begin));
  entry->begin = static_cast<std::uint64_t>(begin);
  entry->end = static_cast<std::uint64_t>(end);

  const auto bytes = BytesOf(entry->shape, info->bits);
  const std::string shape_text = StrCat("[", StrJoin(entry->shape, ", "), "]");
  if (!bytes) return DataLoss(StrCat("shape ", Clipped(shape_text), " has no size in bytes"));
  if (*bytes != entry->end - entry->begin) {
    return DataLoss(StrCat(entry->dtype, " of shape ", Clipped(shape_text), " takes ", *bytes,
                           " bytes, data_offsets give it ", entry->end - entry->begin));
  }
  return OkStatus();
}

// The tensors, in the order of their data, must tile [0, data_bytes) exactly.
Status CheckTiling(std::span<const SafetensorsEntry> entries, std::uint64_t data_bytes) {
  std::uint64_t covered = 0;
  for (const SafetensorsEntry& entry : entries) {
    if (entry.begin != covered) {
      return DataLoss(StrCat("tensor ", Quoted(entry.name), " begins at data byte ", entry.begin,
                             ", the one before ends at ", covered));
    }
    covered = entry.end;
  }
  if (covered != data_bytes) {
    return DataLoss(StrCat("tensors cover ", covered, " data bytes, the file has ", data_bytes));
  }
  return OkStatus();
}

// What is wrong inside a file is damage, whichever layer noticed.
Status AsDataLoss(Status status, std::string_view context) {
  if (status.code() != StatusCode::kInvalidArgument) return std::move(status).WithContext(context);
  return DataLoss(StrCat(context, ": ", status.message()));
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::Open(FileSystem& fs, const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(auto file, fs.Map(path));
  return Parse(std::move(file), BaseName(path));
}

Result<SafetensorsFile> SafetensorsFile::Parse(std::shared_ptr<const MappedFile> file,
                                               const std::string& name) {
  SafetensorsFile out;
  out.file_name_ = name;
  out.file_ = std::move(file);
  const std::span<const std::byte> bytes = out.file_->bytes();
  const Result<std::string_view> text = HeaderText(bytes);
  if (!text.ok()) return AsDataLoss(text.status(), name);
  out.data_begin_ = kLengthBytes + text->size();

  auto header =
      JsonDocument::Parse(*text, {.max_bytes = kMaxHeaderBytes, .max_depth = kHeaderDepth});
  if (!header.ok()) return AsDataLoss(header.status(), name + ": header");
  for (const JsonMember& member : header->root().members()) {
    if (member.key == kMetadataKey) {
      auto metadata = ReadMetadata(member.value);
      if (!metadata.ok()) return AsDataLoss(metadata.status(), name);
      out.metadata_ = *std::move(metadata);
      continue;
    }
    SafetensorsEntry& entry = out.entries_.emplace_back();
    entry.name = member.key;
    Status read = ReadEntry(member.value, &entry);
    if (!read.ok()) {
      return AsDataLoss(std::move(read), StrCat(name, ": tensor ", Quoted(member.key)));
    }
  }
  // By end as well: an empty tensor stands before the one that begins there.
  std::stable_sort(out.entries_.begin(), out.entries_.end(), [](const auto& a, const auto& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  Status tiled = CheckTiling(out.entries_, bytes.size() - out.data_begin_);
  if (!tiled.ok()) return AsDataLoss(std::move(tiled), name);
  for (std::size_t i = 0; i < out.entries_.size(); ++i) {
    out.by_name_.emplace(out.entries_[i].name, i);
  }
  return out;
}

const SafetensorsEntry* SafetensorsFile::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_[found->second];
}

Result<TensorView> SafetensorsFile::View(const SafetensorsEntry& entry) const {
  const DTypeInfo* info = FindDType(entry.dtype);
  if (!info->ours) return Unsupported(StrCat("dtype ", entry.dtype));
  if (entry.shape.size() > Shape::kMaxRank) {
    return Unsupported(StrCat("rank ", entry.shape.size(), ", supported up to ", Shape::kMaxRank));
  }
  return TensorView{*info->ours, Shape(std::span<const std::int64_t>(entry.shape)),
                    file_->bytes().data() + data_begin_ + entry.begin};
}

Result<TensorView> SafetensorsFile::Tensor(std::string_view name) const {
  const SafetensorsEntry* entry = Find(name);
  if (entry == nullptr) return NotFound(StrCat(file_name_, ": tensor ", Quoted(name), " absent"));
  auto view = View(*entry);
  if (!view.ok()) {
    return std::move(view).status().WithContext(StrCat(file_name_, ": tensor ", Quoted(name)));
  }
  return view;
}

bool SafetensorsFile::aligned() const {
  const auto base = reinterpret_cast<std::uintptr_t>(file_->bytes().data()) + data_begin_;
  return std::all_of(entries_.begin(), entries_.end(), [base](const SafetensorsEntry& entry) {
    const int bytes = std::max(1, FindDType(entry.dtype)->bits / 8);
    return (base + entry.begin) % static_cast<std::uintptr_t>(bytes) == 0;
  });
}

Status SafetensorsFile::AddTo(NamedTensors* tensors) const {
  for (const SafetensorsEntry& entry : entries_) {
    const Result<TensorView> view = View(entry);
    const bool added = view.ok() ? tensors->Add(entry.name, *view)
                                 : tensors->AddUnsupported(entry.name, view.status().message());
    if (!added) {
      return DataLoss(
          StrCat(file_name_, ": tensor ", Quoted(entry.name), " is in another file too"));
    }
  }
  tensors->KeepAlive(file_);
  return OkStatus();
}

// --- Writing ---

namespace {

std::string HeaderOf(std::span<const NamedTensor* const> tensors,
                     const SafetensorsMetadata& metadata) {
  JsonWriter json;
  json.BeginObject();
  json.Key(kMetadataKey).BeginObject();
  for (const auto& [key, value] : metadata) json.Key(key).String(value);
  json.EndObject();
  std::int64_t offset = 0;
  for (const NamedTensor* tensor : tensors) {
    const TensorView& view = tensor->view;
    json.Key(tensor->name).BeginObject();
    json.Key("dtype").String(kDTypes[RankOf(view.dtype)].name);
    json.Key("shape").BeginArray();
    for (int axis = 0; axis < view.shape.rank(); ++axis) json.Int(view.shape[axis]);
    json.EndArray();
    json.Key("data_offsets").BeginArray();
    json.Int(offset);
    offset += view.bytes();
    json.Int(offset);
    json.EndArray();
    json.EndObject();
  }
  json.EndObject();
  std::string text = std::move(json).Finish();
  // Spaces until the data begins at a multiple of 8, the largest element.
  text.resize(static_cast<std::size_t>(RoundUp(static_cast<std::int64_t>(text.size()), 8)), ' ');
  return text;
}

// The beginning of a file, and the tensors in the order they follow it.
struct Layout {
  std::uint64_t length = 0;  // Of the header.
  std::string header;
  std::vector<const NamedTensor*> tensors;

  std::vector<std::span<const std::byte>> Parts() const {
    std::vector<std::span<const std::byte>> parts;
    parts.push_back(std::as_bytes(std::span(&length, 1)));
    parts.push_back(std::as_bytes(std::span(header)));
    for (const NamedTensor* tensor : tensors) parts.push_back(tensor->view.span());
    return parts;
  }
};

Result<Layout> LayOut(std::span<const NamedTensor> tensors, const SafetensorsMetadata& metadata) {
  Layout layout;
  for (const NamedTensor& tensor : tensors) layout.tensors.push_back(&tensor);
  std::sort(layout.tensors.begin(), layout.tensors.end(),
            [](const NamedTensor* a, const NamedTensor* b) {
              const std::size_t rank_a = RankOf(a->view.dtype);
              const std::size_t rank_b = RankOf(b->view.dtype);
              return rank_a != rank_b ? rank_a > rank_b : a->name < b->name;
            });
  SafetensorsMetadata complete = metadata;
  complete.emplace("format", "pt");
  layout.header = HeaderOf(layout.tensors, complete);
  // Reading it back finds names given twice, "__metadata__", and bad UTF-8.
  const auto check =
      JsonDocument::Parse(layout.header, {.max_bytes = kMaxHeaderBytes, .max_depth = kHeaderDepth});
  if (!check.ok()) return Status(check.status()).WithContext("header");
  layout.length = layout.header.size();
  return layout;
}

}  // namespace

Status WriteSafetensors(FileSystem& fs, const std::string& path,
                        std::span<const NamedTensor> tensors, const SafetensorsMetadata& metadata) {
  Result<Layout> layout = LayOut(tensors, metadata);
  if (!layout.ok()) return std::move(layout).status().WithContext(BaseName(path));
  return fs.WriteAtomically(path, layout->Parts());
}

Result<std::string> FormatSafetensors(std::span<const NamedTensor> tensors,
                                      const SafetensorsMetadata& metadata) {
  ATTUNE_ASSIGN_OR_RETURN(const Layout layout, LayOut(tensors, metadata));
  std::string out;
  std::size_t size = 0;
  for (const auto part : layout.Parts()) size += part.size();
  out.reserve(size);
  for (const auto part : layout.Parts()) {
    out.append(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return out;
}

}  // namespace attune
