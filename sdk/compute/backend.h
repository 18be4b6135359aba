// A Backend compiles a graph for a device; an Executable runs it, any number of
// times, without allocating, looking up or deciding shapes inside a run.
//
// Frozen parameters are baked: their bytes are bound at compile time, may be
// packed, and never change. Inputs and trainable parameters are storage that
// each run reads, so changing an adapter never recompiles anything.
//
// Threads: a Backend may be used from any thread, one call at a time; an
// Executable from one thread at a time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

namespace attune {

enum class Precision : std::uint8_t {
  kF32,   // Everything in f32; bit-exact between equal runs.
  kBf16,  // GEMM operands rounded to bf16, accumulated in f32.
};

struct CompileOptions {
  Precision precision = Precision::kF32;

  // Keep a copy of every frozen weight in the GEMM library's own layout:
  // faster, at the price of that much private memory. Without it weights are
  // read where they are mapped.
  bool pack_weights = false;
};

// Bytes of the frozen parameters, by name. They must outlive the executable.
using FrozenParameters = std::map<std::string, TensorView, std::less<>>;

struct MemoryReport {
  std::int64_t arena_bytes = 0;    // Activations and gradients, from the memory plan.
  std::int64_t scratch_bytes = 0;  // Of kernels, all workers together.
  std::int64_t packed_bytes = 0;   // Packed weights this executable added.
  std::int64_t slot_bytes = 0;     // Inputs.
  std::int64_t private_bytes() const {
    return arena_bytes + scratch_bytes + packed_bytes + slot_bytes;
  }
};

class Executable {
 public:
  virtual ~Executable() = default;

  // The executable's own storage for an input, to be written before Run().
  // Address and size never change. kNotFound names the input.
  virtual Result<std::span<std::byte>> Input(std::string_view name) = 0;

  // Makes the executable read (and, for caches, write) a leaf in the caller's
  // storage from now on: trainable parameters and caches must be bound before
  // the first Run(). 64-byte aligned, exactly the leaf's bytes, outliving every
  // Run().
  virtual Status Bind(std::string_view name, std::span<std::byte> storage) = 0;

  // A result; valid from the end of Run() to the start of the next.
  virtual Result<TensorView> Output(std::string_view name) = 0;

  // kFailedPrecondition names the leaf that nothing is bound to.
  virtual Status Run() = 0;

  // Runs again, checking every value: the name of the first node that yields a
  // non-finite number, with its op; nullopt when all are finite.
  virtual Result<std::optional<std::string>> FindNonFinite() = 0;

  virtual const MemoryReport& memory() const = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;

  // Whether gradients pass through fp16 on their way: training then wants a
  // scaled loss, or small ones vanish.
  virtual bool half_precision() const { return false; }

  // kInvalidArgument: a frozen parameter is missing or has another shape.
  virtual Result<std::unique_ptr<Executable>> Compile(const Graph& graph,
                                                      const FrozenParameters& frozen,
                                                      const CompileOptions& options) = 0;

  // What Compile() would take, without taking it: the preflight.
  virtual Result<MemoryReport> PredictMemory(const Graph& graph, const FrozenParameters& frozen,
                                             const CompileOptions& options) = 0;
};

// Every frozen parameter of `graph` is there with its type and shape; all that
// are not are named in one error.
Status CheckFrozen(const Graph& graph, const FrozenParameters& frozen);

// Typed looks at storage.
inline std::span<float> AsF32(std::span<std::byte> bytes) {
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}
inline std::span<std::int32_t> AsI32(std::span<std::byte> bytes) {
  return {reinterpret_cast<std::int32_t*>(bytes.data()), bytes.size() / sizeof(std::int32_t)};
}

}  // namespace attune
