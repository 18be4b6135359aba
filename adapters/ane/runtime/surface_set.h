// The surfaces of one plan: slots, and which of them each surface lies in.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ane/compiler/plan.h"
#include "ane/device/device.h"
#include "ane/runtime/transfers.h"
#include "attune/status.h"

namespace attune::ane {

// The system hands memory out by pages of this size, and older ones refuse less.
inline constexpr std::int64_t kSmallestSurface = std::int64_t{16} << 10;

class SurfaceSet {
 public:
  // kInternal: a surface without a slot, or one larger than its slot.
  static Result<std::shared_ptr<SurfaceSet>> Allocate(Device& device, const Plan& plan);
  // What Allocate() would take.
  static std::int64_t Bytes(const Plan& plan, ElementType element);

  // REQUIRES: a surface of the plan.
  Surface* slot(SurfaceId id) const {
    return slots_[static_cast<std::size_t>(slot_of_[static_cast<std::size_t>(id)])].get();
  }
  const PlaneLayout& layout(SurfaceId id) const { return layouts_[static_cast<std::size_t>(id)]; }
  // What a program says of it. kInternal: another one said otherwise, or it does not
  // fit the slot.
  Status SetLayout(SurfaceId id, const PlaneLayout& layout);

  Result<LockedSurface> Lock(SurfaceId id, bool read_only) const {
    return LockedSurface::Lock(slot(id), read_only);
  }

 private:
  std::vector<std::unique_ptr<Surface>> slots_;
  std::vector<std::int32_t> slot_of_;
  std::vector<PlaneLayout> layouts_;
  std::vector<bool> told_;  // By a program.
};

}  // namespace attune::ane
