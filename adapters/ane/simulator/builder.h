// Turns the statements of a function into steps: names, constants, buffers and how
// long each is needed. Ops see it through Call (call.h).

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ane/constraints/constraint.h"
#include "ane/cost/cost.h"
#include "ane/mil/ast.h"
#include "ane/simulator/aligned.h"
#include "ane/simulator/numerics.h"
#include "ane/simulator/step.h"
#include "attune/status.h"

namespace attune::ane {

using Dims = std::vector<std::int64_t>;

// What a literal, a weight record or a constexpr op says.
struct Constant {
  std::vector<float> numbers;
  std::string text;
  std::vector<double> exact = {};  // Integers of 32 bits or more: f32 ends at 2^24.
};

struct Value {
  mil::Type type;
  Place place;                               // Unset of constants: Builder::PlaceOf().
  std::shared_ptr<const Constant> constant;  // Where it is known beforehand.
  bool is_parameter = false;                 // As it came in, not a view of it.
};

struct Buffer {
  enum class Kind : std::uint8_t { kTemporary, kParameter, kConstant };
  Kind kind = Kind::kTemporary;
  std::int64_t elements = 0;
  std::int64_t first = -1, last = -1;  // Steps that write it first and read it last.
  std::int64_t offset = 0;             // In the arena.
  std::shared_ptr<const Constant> constant;
  AlignedFloats packed;  // Constants in a kernel's own order.
};

// What one step reads and writes, and costs.
struct Effect {
  std::vector<Value> reads;
  std::vector<Value> writes;
  // A result may take the place of an operand of the same shape that ends here.
  bool in_place = false;
  double matrix_flops = 0;
  double elementwise_flops = 0;
};

class Builder {
 public:
  Builder(const WeightFiles& weights, const Numerics& numerics, std::int64_t memory_bytes)
      : weights_(weights), numerics_(numerics), memory_bytes_(memory_bytes), left_(memory_bytes) {}

  const Numerics& numerics() const { return numerics_; }

  Status AddParameter(const mil::Output& parameter, mil::Position at);
  // Consts, constexprs and ops.
  Status AddStatement(const mil::Statement& statement);
  // Keeps a value to the end.
  Result<Value> Return(const std::string& name, mil::Position at);

  // Gives the arena's elements: buffers whose lives do not meet share them.
  std::int64_t PlaceBuffers();

  Result<Value> Find(const std::string& name) const;
  Status Bind(const std::string& name, Value value);
  Result<Value> FromLiteral(const mil::Literal& literal);

  // A new buffer of that type; sizes come from outside.
  Result<Value> Allocate(mil::DataType dtype, const Dims& dims);
  Place PlaceOf(const Value& value);
  // REQUIRES: reserved.
  Place AddPacked(AlignedFloats packed);
  // Before anything is allocated that grows with what the text says.
  //
  //   kResourceExhausted  less is left
  Status Reserve(std::int64_t elements);
  Status ReserveBytes(std::int64_t bytes);
  // For one step; steps share it.
  Status ReserveScratch(std::int64_t elements);
  void AddStep(std::unique_ptr<Step> step, const Effect& effect);

  std::vector<std::unique_ptr<Step>>& steps() { return steps_; }
  std::vector<Buffer>& buffers() { return buffers_; }
  Work& work() { return work_; }
  std::int64_t scratch() const { return scratch_; }
  std::int64_t reserved_bytes() const { return memory_bytes_ - left_; }

 private:
  Result<std::shared_ptr<const Constant>> FromBlob(const mil::Type& type, const mil::Blob& blob);
  double BytesOf(const Value& value) const;
  bool MayGiveItsPlace(const Effect& effect, const Value& read, const Value& write);
  bool TakeOver(std::size_t step, std::size_t to, std::vector<bool>* taken);

  const WeightFiles& weights_;
  const Numerics numerics_;
  const std::int64_t memory_bytes_;
  std::int64_t left_;  // Of memory_bytes_.
  std::map<std::string, Value, std::less<>> values_;
  std::map<const Constant*, std::int32_t> constant_buffers_;
  std::vector<Buffer> buffers_;
  std::vector<std::unique_ptr<Step>> steps_;
  std::vector<std::vector<std::pair<std::int32_t, std::int32_t>>> in_place_;  // By step: from, to.
  Work work_;
  std::int64_t scratch_ = 0;
};

mil::Type TensorType(mil::DataType dtype, const Dims& dims);

// Product of extents; nullopt when one is not positive or it exceeds 2^40.
std::optional<std::int64_t> ElementsOf(const Dims& dims);

}  // namespace attune::ane
