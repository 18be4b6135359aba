#include "ane/runtime/surface_set.h"

#include <algorithm>

#include "base/strings.h"

namespace attune::ane {
namespace {

std::vector<std::int64_t> SlotBytes(const Plan& plan, ElementType element) {
  std::vector<std::int64_t> bytes;
  for (std::int64_t elements : plan.slot_elements) {
    bytes.push_back(std::max(elements * SizeOf(element), kSmallestSurface));
  }
  return bytes;
}

}  // namespace

Result<std::shared_ptr<SurfaceSet>> SurfaceSet::Allocate(Device& device, const Plan& plan) {
  auto set = std::make_shared<SurfaceSet>();
  if (plan.slots.size() != plan.surfaces.size()) {
    return Internal(StrCat(plan.surfaces.size(), " surfaces, slots for ", plan.slots.size()));
  }
  for (std::int64_t bytes : SlotBytes(plan, device.element())) {
    ATTUNE_ASSIGN_OR_RETURN(auto surface, device.Allocate(bytes));
    set->slots_.push_back(std::move(surface));
  }
  set->slot_of_ = plan.slots;
  set->told_.assign(plan.surfaces.size(), false);
  for (std::size_t i = 0; i < plan.surfaces.size(); ++i) {
    const std::int32_t slot = plan.slots[i];
    if (slot < 0 || static_cast<std::size_t>(slot) >= set->slots_.size()) {
      return Internal(StrCat(plan.surfaces[i].name, ": slot ", slot, " of ", set->slots_.size()));
    }
    set->layouts_.push_back(DefaultLayout(plan.surfaces[i], device.element()));
    if (set->layouts_.back().bytes() > set->slot(static_cast<SurfaceId>(i))->bytes()) {
      return Internal(StrCat(plan.surfaces[i].name, ": ", set->layouts_.back().bytes(),
                             " bytes in a slot of ",
                             set->slot(static_cast<SurfaceId>(i))->bytes()));
    }
  }
  return set;
}

std::int64_t SurfaceSet::Bytes(const Plan& plan, ElementType element) {
  std::int64_t total = 0;
  for (std::int64_t bytes : SlotBytes(plan, element)) total += bytes;
  return total;
}

Status SurfaceSet::SetLayout(SurfaceId id, const PlaneLayout& layout) {
  const auto at = static_cast<std::size_t>(id);
  if (told_[at] && layout != layouts_[at]) {
    return Internal(StrCat("surface ", id, ": two programs lay it out differently, planes of ",
                           layouts_[at].plane_stride, " and ", layout.plane_stride, " bytes"));
  }
  if (layout.bytes() > slot(id)->bytes()) {
    return Internal(
        StrCat("surface ", id, ": ", layout.bytes(), " bytes in a slot of ", slot(id)->bytes()));
  }
  layouts_[at] = layout;
  told_[at] = true;
  return OkStatus();
}

}  // namespace attune::ane
