// One statement as the builder of its op sees it: arguments by name and kind,
// results with their types checked against what the text declares.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ane/simulator/builder.h"

namespace attune::ane {

class Call {
 public:
  Call(const mil::Statement& statement, Builder* builder)
      : statement_(statement), builder_(*builder) {}

  const mil::Statement& statement() const { return statement_; }
  const Numerics& numerics() const { return builder_.numerics(); }
  Builder& builder() { return builder_; }

  // "line 3, column 5: conv: <message>".
  Status Fail(std::string_view message) const;
  Status Fail(StatusCode code, std::string_view message) const;

  // --- Arguments ---

  bool Has(std::string_view key) const { return statement_.Find(key) != nullptr; }
  Result<Value> Tensor(std::string_view key);
  Result<std::vector<Value>> Tensors(std::string_view key);
  // A tensor whose numbers are known; so are all of the following.
  Result<Value> ConstantTensor(std::string_view key);
  Result<Dims> Ints(std::string_view key);
  Result<Dims> IntsOr(std::string_view key, const Dims& otherwise);
  Result<std::int64_t> Int(std::string_view key);
  Result<std::int64_t> IntOr(std::string_view key, std::int64_t otherwise);
  Result<float> FloatOr(std::string_view key, float otherwise);
  Result<bool> BoolOr(std::string_view key, bool otherwise);
  Result<std::string> TextOr(std::string_view key, const std::string& otherwise);
  // Of an axis of a tensor of that rank, negative ones counted from the end.
  Result<std::int64_t> AxisOr(std::string_view key, std::size_t rank, std::int64_t otherwise);

  // --- Results ---

  Result<Value> New(mil::DataType dtype, const Dims& dims);
  // Of what the step itself keeps, and of scratch.
  Status ReserveBytes(std::int64_t bytes);
  Status ReserveScratch(std::int64_t elements);
  // The same elements under another shape, from `offset` elements on.
  Value View(const Value& value, const Dims& dims, std::int64_t offset = 0);
  Place At(const Value& value) { return builder_.PlaceOf(value); }
  // Binds the outputs of the statement.
  Status Define(const Value& value) { return Define(std::span<const Value>(&value, 1)); }
  Status Define(std::span<const Value> values);

  template <typename F>
  void Emit(const Effect& effect, F run) {
    builder_.AddStep(std::make_unique<Runs<F>>(std::move(run)), effect);
  }

 private:
  template <typename F>
  class Runs final : public Step {
   public:
    explicit Runs(F run) : run_(std::move(run)) {}
    void Run(const Lane& lane) const override { run_(lane); }

   private:
    F run_;
  };

  Result<Value> Resolve(const mil::Argument& argument);
  // One number of a constant argument.
  Result<float> Number(std::string_view key);

  const mil::Statement& statement_;
  Builder& builder_;
};

struct OpEntry {
  std::string_view name;
  std::string_view arguments;  // All that it takes, separated by blanks.
  Status (*build)(Call& call);
};

std::span<const OpEntry> ElementwiseOps();
std::span<const OpEntry> ProductOps();
std::span<const OpEntry> ReductionOps();
std::span<const OpEntry> MovementOps();
std::span<const OpEntry> SliceOps();
std::span<const OpEntry> ConstantOps();
std::span<const OpEntry> QuantizationOps();
std::span<const OpEntry> CompositeOps();

// nullptr when the simulator has no such op.
const OpEntry* FindOp(std::string_view name);

}  // namespace attune::ane
