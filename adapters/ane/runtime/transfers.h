// Matrices of the host into surfaces and back: f32 [rows, columns], row-major, lie on
// the device as [1, columns, 1, width], one plane a column, zeros beyond the rows.
// Nothing here allocates.

#pragma once

#include <cstddef>
#include <cstdint>

#include "ane/compiler/ir.h"
#include "ane/device/device.h"
#include "attune/status.h"
#include "ports/parallel.h"
#include "tensor/shape.h"

namespace attune::ane {

// How a surface's planes lie.
struct PlaneLayout {
  ElementType element = ElementType::kF16;
  std::int64_t channels = 0, width = 0;
  std::int64_t plane_stride = 0;  // Bytes.
  std::int64_t bytes() const { return channels * plane_stride; }
  bool operator==(const PlaneLayout&) const = default;
};

// Of a surface that no program has told the layout of.
PlaneLayout DefaultLayout(const SurfaceSpec& spec, ElementType element);
// kInternal: the program's symbol is not the plan's surface.
Result<PlaneLayout> LayoutOf(const SymbolLayout& symbol, const SurfaceSpec& spec);

struct MatrixExtent {
  std::int64_t rows = 0, columns = 0;
};
// A host value as the matrix that such a surface takes: a vector is one row, or one
// column where the surface has a single channel.
//
//   kInternal  it does not fit
Result<MatrixExtent> ExtentIn(const Shape& shape, const SurfaceSpec& spec);

// REQUIRES: extent within the layout, `surface` of at least layout.bytes().
void UploadMatrix(const float* source, MatrixExtent extent, const PlaneLayout& layout,
                  std::byte* surface, Parallel& parallel);
void DownloadMatrix(const std::byte* surface, const PlaneLayout& layout, MatrixExtent extent,
                    float* target, Parallel& parallel);

// Whether every element, the padding included, is a finite number.
bool IsFinite(const std::byte* surface, const PlaneLayout& layout);

// Element (channel, column) of a surface, one by one.
float ReadElement(const std::byte* surface, const PlaneLayout& layout, std::int64_t channel,
                  std::int64_t column);
void WriteElement(float value, const PlaneLayout& layout, std::int64_t channel, std::int64_t column,
                  std::byte* surface);

// A surface that is locked as long as this lives.
class LockedSurface {
 public:
  static Result<LockedSurface> Lock(Surface* surface, bool read_only);
  ~LockedSurface() { Unlock(); }
  LockedSurface(LockedSurface&& other) noexcept : surface_(other.surface_), bytes_(other.bytes_) {
    other.surface_ = nullptr;
  }
  LockedSurface& operator=(LockedSurface&&) = delete;
  std::byte* data() const { return bytes_; }

 private:
  LockedSurface(Surface* surface, std::byte* bytes) : surface_(surface), bytes_(bytes) {}
  void Unlock() {
    if (surface_ != nullptr) surface_->Unlock();
    surface_ = nullptr;
  }
  Surface* surface_;
  std::byte* bytes_;
};

}  // namespace attune::ane
