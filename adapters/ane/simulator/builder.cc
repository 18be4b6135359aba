#include "ane/simulator/builder.h"

#include <algorithm>
#include <cmath>

#include "ane/mil/blob.h"
#include "ane/simulator/call.h"
#include "ane/simulator/literals.h"
#include "base/checked_math.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr std::int64_t kCacheLine = 16;  // Elements.

std::string Where(mil::Position at) {
  return StrCat("line ", at.line, ", column ", at.column, ": ");
}

}  // namespace

std::optional<std::int64_t> ElementsOf(const Dims& dims) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  std::int64_t elements = 1;
  for (const std::int64_t extent : dims) {
    if (extent <= 0 || extent > kMost / elements) return std::nullopt;
    elements *= extent;
  }
  return elements;
}

mil::Type TensorType(mil::DataType dtype, const Dims& dims) {
  mil::Type type;
  type.dtype = dtype;
  type.is_tensor = true;
  type.dims = dims;
  return type;
}

Status Builder::AddParameter(const mil::Output& parameter, mil::Position at) {
  if (parameter.type.dtype == mil::DataType::kString) {
    return InvalidArgument(StrCat(Where(at), "parameter \"", parameter.name, "\" is a string"));
  }
  Result<Value> value = Allocate(parameter.type.dtype, parameter.type.dims);
  if (!value.ok()) {
    return std::move(value).status().WithContext(
        StrCat(Where(at), "parameter \"", parameter.name, "\""));
  }
  value->type = parameter.type;
  value->is_parameter = true;
  Buffer& buffer = buffers_.back();
  buffer.kind = Buffer::Kind::kParameter;
  work_.surface_bytes += BytesOf(*value);
  return Bind(parameter.name, *std::move(value)).WithContext(Where(at));
}

Status Builder::AddStatement(const mil::Statement& statement) {
  const OpEntry* entry = FindOp(statement.op);
  if (entry == nullptr) {
    return Unsupported(StrCat(Where(statement.at), "op \"", statement.op,
                              "\" is not one that the hardware is known to take"));
  }
  for (const mil::Argument& argument : statement.arguments) {
    const std::string key = StrCat(" ", argument.key, " ");
    if (StrCat(" ", entry->arguments, " ").find(key) == std::string::npos) {
      return InvalidArgument(StrCat(Where(argument.at), statement.op, ": no argument \"",
                                    argument.key, "\"; it takes: ", entry->arguments));
    }
  }
  Call call(statement, this);
  return entry->build(call);
}

Result<Value> Builder::Return(const std::string& name, mil::Position at) {
  Result<Value> found = Find(name);
  if (!found.ok()) return std::move(found).status().WithContext(Where(at));
  Value value = *found;
  value.place = PlaceOf(value);
  buffers_[static_cast<std::size_t>(value.place.buffer)].last =
      static_cast<std::int64_t>(steps_.size());
  work_.surface_bytes += BytesOf(value);
  return value;
}

Result<Value> Builder::Find(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) return InvalidArgument(StrCat("no value is named \"", name, "\""));
  return found->second;
}

Status Builder::Bind(const std::string& name, Value value) {
  if (!values_.emplace(name, std::move(value)).second) {
    return InvalidArgument(StrCat("the name \"", name, "\" is given twice"));
  }
  return OkStatus();
}

Result<Value> Builder::FromLiteral(const mil::Literal& literal) {
  Value value;
  value.type = literal.type;
  const std::optional<std::int64_t> elements = ElementsOf(literal.type.dims);
  if (!elements) return InvalidArgument(StrCat("literal of type ", mil::ToString(literal.type)));
  if (const auto* blob = std::get_if<mil::Blob>(&literal.data)) {
    ATTUNE_ASSIGN_OR_RETURN(value.constant, FromBlob(literal.type, *blob));
    return value;
  }
  ATTUNE_RETURN_IF_ERROR(Reserve(*elements * RoomOf(literal.type.dtype)));
  Result<Constant> constant = ConstantOf(literal, numerics_);
  if (!constant.ok()) return std::move(constant).status();
  value.constant = std::make_shared<const Constant>(*std::move(constant));
  return value;
}

Result<std::shared_ptr<const Constant>> Builder::FromBlob(const mil::Type& type,
                                                          const mil::Blob& blob) {
  const auto file = weights_.find(blob.path);
  if (file == weights_.end()) {
    return InvalidArgument(StrCat("weight file \"", blob.path, "\" was not given"));
  }
  ATTUNE_RETURN_IF_ERROR(Reserve(*ElementsOf(type.dims) * RoomOf(type.dtype)));
  Result<Constant> constant = ConstantOf(type, file->second, blob.offset, numerics_);
  if (!constant.ok()) return std::move(constant).status();
  work_.weight_bytes += static_cast<double>(*ElementsOf(type.dims)) * mil::BitsOf(type.dtype) / 8;
  return std::make_shared<const Constant>(*std::move(constant));
}

Status Builder::Reserve(std::int64_t elements) {
  const std::optional<std::int64_t> bytes = CheckedMul<std::int64_t>(elements, sizeof(float));
  if (!bytes) return ResourceExhausted(StrCat(elements, " elements are more than any memory has"));
  return ReserveBytes(*bytes);
}

Status Builder::ReserveBytes(std::int64_t bytes) {
  if (bytes > left_) {
    return ResourceExhausted(StrCat(bytes, " more bytes are needed, ", left_, " of the allowed ",
                                    memory_bytes_, " are left"));
  }
  left_ -= bytes;
  return OkStatus();
}

Status Builder::ReserveScratch(std::int64_t elements) {
  if (elements <= scratch_) return OkStatus();
  ATTUNE_RETURN_IF_ERROR(Reserve(elements - scratch_));
  scratch_ = elements;
  return OkStatus();
}

Result<Value> Builder::Allocate(mil::DataType dtype, const Dims& dims) {
  const std::optional<std::int64_t> elements = ElementsOf(dims);
  if (!elements || dims.size() > 5) {
    return InvalidArgument(
        StrCat("shape [", StrJoin(dims, ","), "]: at most 5 positive extents are possible"));
  }
  ATTUNE_RETURN_IF_ERROR(Reserve(*elements));
  Value value;
  value.type = TensorType(dtype, dims);
  value.place.buffer = static_cast<std::int32_t>(buffers_.size());
  Buffer buffer;
  buffer.elements = *elements;
  buffers_.push_back(std::move(buffer));
  return value;
}

Place Builder::PlaceOf(const Value& value) {
  if (value.place.buffer >= 0 || value.constant == nullptr) return value.place;
  const auto [at, added] =
      constant_buffers_.emplace(value.constant.get(), static_cast<std::int32_t>(buffers_.size()));
  if (added) {
    Buffer buffer;
    buffer.kind = Buffer::Kind::kConstant;
    buffer.elements = static_cast<std::int64_t>(value.constant->numbers.size());
    buffer.constant = value.constant;
    buffers_.push_back(std::move(buffer));
  }
  return {at->second, 0};
}

Place Builder::AddPacked(AlignedFloats packed) {
  Buffer buffer;
  buffer.kind = Buffer::Kind::kConstant;
  buffer.elements = packed.size();
  buffer.packed = std::move(packed);
  buffers_.push_back(std::move(buffer));
  return {static_cast<std::int32_t>(buffers_.size()) - 1, 0};
}

// On the device, where a real number takes two bytes.
double Builder::BytesOf(const Value& value) const {
  const double bytes = value.type.dtype == mil::DataType::kFp32 ? 4.0 : 2.0;
  return bytes * static_cast<double>(*ElementsOf(value.type.dims));
}

// Every element of the result must be written after the last read of what lay there.
// So whatever the step reads of that buffer lies element by element where the result
// will: slices begin elsewhere, and what is spread is read again later.
bool Builder::MayGiveItsPlace(const Effect& effect, const Value& read, const Value& write) {
  const std::int32_t buffer = PlaceOf(read).buffer;
  return std::all_of(effect.reads.begin(), effect.reads.end(), [&](const Value& other) {
    const Place place = PlaceOf(other);
    return place.buffer != buffer || (place.offset == 0 && other.type.dims == write.type.dims);
  });
}

void Builder::AddStep(std::unique_ptr<Step> step, const Effect& effect) {
  const auto index = static_cast<std::int64_t>(steps_.size());
  for (const Value& read : effect.reads) {
    Buffer& buffer = buffers_[static_cast<std::size_t>(PlaceOf(read).buffer)];
    buffer.last = index;
    if (buffer.kind == Buffer::Kind::kTemporary) work_.internal_bytes += BytesOf(read);
  }
  in_place_.emplace_back();
  for (const Value& write : effect.writes) {
    Buffer& buffer = buffers_[static_cast<std::size_t>(write.place.buffer)];
    if (buffer.first < 0) buffer.first = index;
    buffer.last = std::max(buffer.last, index);
    work_.internal_bytes += BytesOf(write);
    for (const Value& read : effect.reads) {
      if (!effect.in_place || !MayGiveItsPlace(effect, read, write)) continue;
      in_place_.back().emplace_back(PlaceOf(read).buffer, write.place.buffer);
    }
  }
  work_.matrix_flops += effect.matrix_flops;
  work_.elementwise_flops += effect.elementwise_flops;
  ++work_.ops;
  steps_.push_back(std::move(step));
}

namespace {

// Free stretches of the arena, by offset; first fit.
class FreeList {
 public:
  std::int64_t Take(std::int64_t n) {
    for (auto at = free_.begin(); at != free_.end(); ++at) {
      if (at->second < n) continue;
      const auto [offset, length] = *at;
      free_.erase(at);
      if (length > n) free_.emplace(offset + n, length - n);
      return offset;
    }
    const std::int64_t offset = end_;
    end_ += n;
    return offset;
  }

  void Give(std::int64_t offset, std::int64_t n) {
    auto next = free_.lower_bound(offset);
    if (next != free_.end() && offset + n == next->first) {
      n += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      auto previous = std::prev(next);
      if (previous->first + previous->second == offset) {
        previous->second += n;
        return;
      }
    }
    free_.emplace(offset, n);
  }

  std::int64_t end() const { return end_; }

 private:
  std::map<std::int64_t, std::int64_t> free_;  // Offset to length.
  std::int64_t end_ = 0;
};

std::int64_t SizeOf(const Buffer& buffer) { return RoundUp(buffer.elements, kCacheLine); }

// On the device.
double HalfBytes(const Buffer& buffer) { return 2.0 * static_cast<double>(buffer.elements); }

}  // namespace

// Gives `to` the place of an operand of the same size that this step is the last to
// need; false where there is none.
bool Builder::TakeOver(std::size_t step, std::size_t to, std::vector<bool>* taken) {
  for (const auto& [from_index, to_index] : in_place_[step]) {
    const auto from_at = static_cast<std::size_t>(from_index);
    const Buffer& from = buffers_[from_at];
    if (static_cast<std::size_t>(to_index) != to || (*taken)[from_at]) continue;
    if (from.kind == Buffer::Kind::kConstant || from.elements != buffers_[to].elements) continue;
    if (from.last != static_cast<std::int64_t>(step)) continue;
    buffers_[to].offset = from.offset;
    (*taken)[from_at] = true;
    return true;
  }
  return false;
}

std::int64_t Builder::PlaceBuffers() {
  const std::size_t count = steps_.size();
  std::vector<std::vector<std::size_t>> begins(count + 1), ends(count + 1);
  FreeList arena;
  double live = 0;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    Buffer& buffer = buffers_[i];
    if (buffer.kind == Buffer::Kind::kConstant) continue;
    if (buffer.kind == Buffer::Kind::kParameter) {
      buffer.offset = arena.Take(SizeOf(buffer));
      live += HalfBytes(buffer);
    } else if (buffer.first >= 0) {
      begins[static_cast<std::size_t>(buffer.first)].push_back(i);
    }
    // Parameters that nothing reads stay to the end, like results.
    ends[buffer.last < 0 ? count : static_cast<std::size_t>(buffer.last)].push_back(i);
  }
  std::vector<bool> taken(buffers_.size(), false);  // Whose place a result took over.
  for (std::size_t step = 0; step < count; ++step) {
    for (const std::size_t i : begins[step]) {
      live += HalfBytes(buffers_[i]);
      if (!TakeOver(step, i, &taken)) buffers_[i].offset = arena.Take(SizeOf(buffers_[i]));
    }
    work_.largest_live_bytes = std::max(work_.largest_live_bytes, live);
    for (const std::size_t i : ends[step]) {
      live -= HalfBytes(buffers_[i]);
      if (!taken[i]) arena.Give(buffers_[i].offset, SizeOf(buffers_[i]));
    }
  }
  return arena.end();
}

}  // namespace attune::ane
