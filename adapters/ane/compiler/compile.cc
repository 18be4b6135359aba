#include "ane/compiler/compile.h"

#include <utility>

#include "ane/compiler/plan_surfaces.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Optimises from the last region to the first, dropping results that none after it
// reads any more.
void OptimizeAll(std::vector<Region>* regions, Plan* plan) {
  std::vector<bool> read(plan->surfaces.size(), false);
  const auto mark = [&read](SurfaceId id, bool writes) {
    if (!writes) read[static_cast<std::size_t>(id)] = true;
  };
  for (Step& step : plan->steps) VisitSurfaces(&step, mark);
  for (std::size_t i = regions->size(); i-- > 0;) {
    Region& region = (*regions)[i];
    std::erase_if(region.outputs, [&read](const RegionOutput& output) {
      return !read[static_cast<std::size_t>(output.surface)];
    });
    Optimize(&region);
    VisitSurfaces(&region, mark);
  }
}

// Programs of each lowered region: [first[i], first[i + 1]).
using FirstProgram = std::vector<std::int32_t>;

Result<FirstProgram> MakePrograms(std::vector<Region> regions, const CompilerOptions& options,
                                  Plan* plan) {
  OptimizeAll(&regions, plan);
  FirstProgram first = {0};
  for (const Region& region : regions) {
    std::vector<Region> parts;
    if (!region.outputs.empty()) {
      ATTUNE_ASSIGN_OR_RETURN(parts, Partition(region, options, &plan->surfaces));
    }
    for (Region& part : parts) {
      ATTUNE_RETURN_IF_ERROR(Verify(part, plan->surfaces));
      const Work work = WorkOf(part, plan->surfaces, options.element);
      plan->programs.push_back({std::move(part), work});
    }
    first.push_back(static_cast<std::int32_t>(plan->programs.size()));
  }
  const auto programs = static_cast<std::int64_t>(plan->programs.size());
  if (programs > options.max_programs) {
    return ResourceExhausted(StrCat("the graph needs ", programs, " programs, limit ",
                                    options.max_programs,
                                    ": a smaller model, or fewer adapted linears"));
  }
  return first;
}

void PointAtPrograms(const FirstProgram& first, Plan* plan) {
  for (Step& step : plan->steps) {
    auto* run = std::get_if<RunPrograms>(&step);
    if (run == nullptr) continue;
    const std::int32_t begin = first[static_cast<std::size_t>(run->first)];
    const std::int32_t end = first[static_cast<std::size_t>(run->first + run->count)];
    *run = {begin, end - begin};
  }
}

// Optimisation leaves surfaces that no program reads any more: neither they nor the
// steps that only fill them stay.
void DropUnused(Plan* plan) {
  std::vector<bool> read(plan->surfaces.size(), false), used(read);
  const auto mark = [&](SurfaceId id, bool writes) {
    used[static_cast<std::size_t>(id)] = true;
    if (!writes) read[static_cast<std::size_t>(id)] = true;
  };
  for (PlanProgram& program : plan->programs) VisitSurfaces(&program.region, mark);
  for (Step& step : plan->steps) VisitSurfaces(&step, mark);
  std::erase_if(plan->steps, [&read](Step& step) {
    bool fills = false, wanted = false;
    VisitSurfaces(&step, [&](SurfaceId id, bool writes) {
      fills = true;
      wanted = wanted || !writes || read[static_cast<std::size_t>(id)];
    });
    return fills && !wanted;
  });

  used.assign(used.size(), false);
  for (PlanProgram& program : plan->programs) VisitSurfaces(&program.region, mark);
  for (Step& step : plan->steps) VisitSurfaces(&step, mark);
  std::vector<SurfaceId> renamed(used.size(), kNone);
  std::vector<SurfaceSpec> kept;
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    renamed[i] = static_cast<SurfaceId>(kept.size());
    kept.push_back(std::move(plan->surfaces[i]));
  }
  plan->surfaces = std::move(kept);
  const auto rename = [&renamed](SurfaceId& id, bool) {
    id = renamed[static_cast<std::size_t>(id)];
  };
  for (PlanProgram& program : plan->programs) VisitSurfaces(&program.region, rename);
  for (Step& step : plan->steps) VisitSurfaces(&step, rename);
}

}  // namespace

Result<Plan> Compile(const Graph& graph, const FrozenParameters& frozen,
                     const CompilerOptions& options) {
  ATTUNE_ASSIGN_OR_RETURN(Lowered lowered, Lower(graph, frozen, options));
  Plan plan = std::move(lowered.plan);
  ATTUNE_ASSIGN_OR_RETURN(const FirstProgram first,
                          MakePrograms(std::move(lowered.regions), options, &plan));
  PointAtPrograms(first, &plan);
  DropUnused(&plan);
  AssignSlots(&plan, options.uniform_surfaces);
  return plan;
}

}  // namespace attune::ane
