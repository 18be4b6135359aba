#include "ane/simulator/call.h"

#include <cmath>

#include "base/strings.h"

namespace attune::ane {

Status Call::Fail(std::string_view message) const {
  return Fail(StatusCode::kInvalidArgument, message);
}

Status Call::Fail(StatusCode code, std::string_view message) const {
  return {code, StrCat("line ", statement_.at.line, ", column ", statement_.at.column, ": ",
                       statement_.op, ": ", message)};
}

Result<Value> Call::Resolve(const mil::Argument& argument) {
  Result<Value> value = Status(StatusCode::kInvalidArgument, "one value is expected, not a list");
  if (const auto* name = std::get_if<std::string>(&argument.value)) value = builder_.Find(*name);
  if (const auto* literal = std::get_if<mil::Literal>(&argument.value)) {
    value = builder_.FromLiteral(*literal);
  }
  if (value.ok()) return value;
  return Fail(value.status().code(), StrCat(argument.key, ": ", value.status().message()));
}

Result<Value> Call::Tensor(std::string_view key) {
  const mil::Argument* argument = statement_.Find(key);
  if (argument == nullptr) return Fail(StrCat("argument \"", key, "\" is missing"));
  ATTUNE_ASSIGN_OR_RETURN(Value value, Resolve(*argument));
  if (value.type.dtype == mil::DataType::kString) {
    return Fail(StrCat(key, ": a tensor is expected, not a string"));
  }
  return value;
}

Result<std::vector<Value>> Call::Tensors(std::string_view key) {
  const mil::Argument* argument = statement_.Find(key);
  if (argument == nullptr) return Fail(StrCat("argument \"", key, "\" is missing"));
  std::vector<Value> values;
  const auto* names = std::get_if<std::vector<std::string>>(&argument->value);
  if (names == nullptr) {
    ATTUNE_ASSIGN_OR_RETURN(Value value, Resolve(*argument));
    values.push_back(std::move(value));
    return values;
  }
  for (const std::string& name : *names) {
    Result<Value> value = builder_.Find(name);
    if (!value.ok()) return Fail(StrCat(key, ": ", value.status().message()));
    values.push_back(*std::move(value));
  }
  if (values.empty()) return Fail(StrCat(key, ": the list is empty"));
  return values;
}

Result<Value> Call::ConstantTensor(std::string_view key) {
  const mil::Argument* argument = statement_.Find(key);
  if (argument == nullptr) return Fail(StrCat("argument \"", key, "\" is missing"));
  ATTUNE_ASSIGN_OR_RETURN(Value value, Resolve(*argument));
  if (value.constant == nullptr) return Fail(StrCat(key, ": a constant is expected"));
  return value;
}

Result<Dims> Call::Ints(std::string_view key) {
  ATTUNE_ASSIGN_OR_RETURN(const Value value, ConstantTensor(key));
  const Constant& constant = *value.constant;
  const std::vector<double> numbers =
      constant.exact.empty() ? std::vector<double>(constant.numbers.begin(), constant.numbers.end())
                             : constant.exact;
  Dims out;
  for (const double number : numbers) {
    if (!(std::abs(number) <= 0x1p40) || number != std::floor(number)) {
      return Fail(StrCat(key, ": ", number, " is not an integer"));
    }
    out.push_back(static_cast<std::int64_t>(number));
  }
  return out;
}

Result<Dims> Call::IntsOr(std::string_view key, const Dims& otherwise) {
  if (!Has(key)) return otherwise;
  return Ints(key);
}

Result<float> Call::Number(std::string_view key) {
  ATTUNE_ASSIGN_OR_RETURN(const Value value, ConstantTensor(key));
  if (value.constant->numbers.size() != 1) {
    return Fail(StrCat(key, ": one number is expected, not ", value.constant->numbers.size()));
  }
  return value.constant->numbers[0];
}

Result<std::int64_t> Call::Int(std::string_view key) {
  ATTUNE_ASSIGN_OR_RETURN(const Dims numbers, Ints(key));
  if (numbers.size() != 1) return Fail(StrCat(key, ": one integer is expected"));
  return numbers[0];
}

Result<std::int64_t> Call::IntOr(std::string_view key, std::int64_t otherwise) {
  if (!Has(key)) return otherwise;
  return Int(key);
}

Result<float> Call::FloatOr(std::string_view key, float otherwise) {
  if (!Has(key)) return otherwise;
  return Number(key);
}

Result<bool> Call::BoolOr(std::string_view key, bool otherwise) {
  if (!Has(key)) return otherwise;
  ATTUNE_ASSIGN_OR_RETURN(const float number, Number(key));
  return number != 0;
}

Result<std::string> Call::TextOr(std::string_view key, const std::string& otherwise) {
  if (!Has(key)) return otherwise;
  ATTUNE_ASSIGN_OR_RETURN(const Value value, ConstantTensor(key));
  if (value.type.dtype != mil::DataType::kString) {
    return Fail(StrCat(key, ": a string is expected, not ", mil::ToString(value.type)));
  }
  return value.constant->text;
}

Result<std::int64_t> Call::AxisOr(std::string_view key, std::size_t rank, std::int64_t otherwise) {
  ATTUNE_ASSIGN_OR_RETURN(std::int64_t axis, IntOr(key, otherwise));
  const auto r = static_cast<std::int64_t>(rank);
  if (axis < -r || axis >= r) {
    return Fail(StrCat(key, ": ", axis, " is not an axis of a tensor of rank ", r));
  }
  return axis < 0 ? axis + r : axis;
}

Result<Value> Call::New(mil::DataType dtype, const Dims& dims) {
  Result<Value> value = builder_.Allocate(dtype, dims);
  if (value.ok()) return value;
  return Fail(value.status().code(), value.status().message());
}

Status Call::ReserveBytes(std::int64_t bytes) {
  const Status status = builder_.ReserveBytes(bytes);
  return status.ok() ? status : Fail(status.code(), status.message());
}

Status Call::ReserveScratch(std::int64_t elements) {
  const Status status = builder_.ReserveScratch(elements);
  return status.ok() ? status : Fail(status.code(), status.message());
}

Value Call::View(const Value& value, const Dims& dims, std::int64_t offset) {
  Value view = value;
  view.type = TensorType(value.type.dtype, dims);
  view.is_parameter = false;
  const bool whole = offset == 0 && ElementsOf(dims) == ElementsOf(value.type.dims);
  if (!whole || value.constant == nullptr) {
    view.place = builder_.PlaceOf(value);
    view.place.offset += offset;
    view.constant = nullptr;
  }
  return view;
}

Status Call::Define(std::span<const Value> values) {
  if (values.size() != statement_.outputs.size()) {
    return Fail(
        StrCat("gives ", values.size(), " results, the text declares ", statement_.outputs.size()));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const mil::Output& output = statement_.outputs[i];
    if (output.type.dims != values[i].type.dims || output.type.dtype != values[i].type.dtype) {
      return Fail(StrCat("\"", output.name, "\" is declared ", mil::ToString(output.type),
                         ", the op gives ", mil::ToString(values[i].type)));
    }
    Value value = values[i];
    value.type = output.type;
    if (Status status = builder_.Bind(output.name, std::move(value)); !status.ok()) {
      return Fail(status.message());
    }
  }
  return OkStatus();
}

const OpEntry* FindOp(std::string_view name) {
  // The generic path writes some ops with the opset that brought them.
  name = name.substr(0, name.find('<'));
  for (const auto table : {ConstantOps(), ElementwiseOps(), ProductOps(), ReductionOps(),
                           MovementOps(), SliceOps(), QuantizationOps(), CompositeOps()}) {
    for (const OpEntry& entry : table) {
      if (entry.name == name) return &entry;
    }
  }
  return nullptr;
}

}  // namespace attune::ane
