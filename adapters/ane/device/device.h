// The port between the runtime and whatever executes programs: the private
// framework on a Mac, the same framework's stand-in, or the simulator. Programs
// go in as MIL text and one weight file; data go in and out through surfaces.
//
// Threads: one at a time per device.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ane/device/target.h"
#include "attune/status.h"

namespace attune::ane {

// What a surface holds. The hardware computes in fp16; f32 serves the simulator's
// exact profile, which separates errors of the compiler from those of the numerics.
// Integers are inputs and outputs of programs by others. Append only.
enum class ElementType : std::uint8_t { kF16, kF32, kI8, kU8, kI32 };
constexpr std::int64_t SizeOf(ElementType type) {
  if (type == ElementType::kF16) return 2;
  return type == ElementType::kI8 || type == ElementType::kU8 ? 1 : 4;
}

// Rows of a surface begin at multiples of 64 bytes.
inline constexpr std::int64_t kRowAlignment = 64;

// How one input or output of a loaded program lies in its surface, as the compiled
// program says: element (c, h, w) at c * plane_stride + h * row_stride + w * element.
struct SymbolLayout {
  std::string name;  // As in the MIL text, without "@output".
  ElementType element = ElementType::kF16;
  std::int64_t channels = 1, height = 1, width = 1;
  std::int64_t row_stride = 0, plane_stride = 0;  // Bytes.
  std::int64_t batch_stride = 0;                  // Bytes; 0 unless more than the planes take.
  // So many stretches of channels begin batch_stride apart; `channels` counts all.
  std::int64_t batches = 1;
  std::int64_t bytes() const { return std::max(plane_stride * channels, batch_stride * batches); }
  bool operator==(const SymbolLayout&) const = default;
};

// Shared memory of host and device (an IOSurface on Apple platforms).
class Surface {
 public:
  virtual ~Surface() = default;
  virtual std::int64_t bytes() const = 0;
  // The bytes, coherent until Unlock(). Not nested.
  virtual Result<std::span<std::byte>> Lock(bool read_only) = 0;
  virtual void Unlock() = 0;
};

// A program as a compiler hands it over.
struct ProgramImage {
  std::string mil;
  // The weight file, referred to as "@model_path/weights/weight.bin"; empty
  // where the program has none.
  std::vector<std::byte> weights;
};

// A program that is loaded; its destruction unloads it.
class DeviceProgram {
 public:
  virtual ~DeviceProgram() = default;

  // In the device's own order: sorted by symbol, not as the text declares them.
  virtual const std::vector<SymbolLayout>& inputs() const = 0;
  virtual const std::vector<SymbolLayout>& outputs() const = 0;

  // Fixes which surfaces the program reads and writes from now on, one a symbol in
  // the order above. They must outlive the program.
  //
  //   kInvalidArgument  the wrong number, or one smaller than its symbol's bytes
  virtual Status Bind(std::span<Surface* const> inputs, std::span<Surface* const> outputs) = 0;

  // Runs to the end. REQUIRES: bound.
  //
  //   kUnavailable         the device is busy or was interrupted, also after the
  //                        driver's own retries
  //   kResourceExhausted   the machine's programs or memory ran out
  //   kInternal            the device refused; the message has the code and advice
  virtual Status Evaluate() = 0;
};

struct DeviceCounters {
  std::int64_t compiles = 0;
  std::int64_t loads = 0;
  std::int64_t unloads = 0;
  std::int64_t evaluations = 0;
  std::int64_t retries = 0;
  std::int64_t programs = 0;       // Loaded now.
  std::int64_t surfaces = 0;       // Alive now.
  std::int64_t surface_bytes = 0;  // Of those.
  // What the cost model says that this would have taken; 0 on hardware.
  double predicted_seconds = 0;  // Evaluations.
  double predicted_joules = 0;
  double predicted_load_seconds = 0;  // Compiling and loading.
};

class Device {
 public:
  virtual ~Device() = default;

  // "ane", "ane-sim".
  virtual std::string_view name() const = 0;
  virtual const Target& target() const = 0;
  // What surfaces of programs for this device hold.
  virtual ElementType element() const = 0;

  // Compiles, unless the system has kept the result, and loads.
  //
  //   kInvalidArgument    the compiler refused the program; which rule it breaks,
  //                       where that is known
  //   kResourceExhausted  too many programs are loaded; both numbers
  //   kUnavailable        a transient refusal, after retries
  virtual Result<std::unique_ptr<DeviceProgram>> Load(const ProgramImage& image) = 0;

  // Zero-filled.
  virtual Result<std::unique_ptr<Surface>> Allocate(std::int64_t bytes) = 0;

  virtual DeviceCounters counters() const = 0;
};

}  // namespace attune::ane
