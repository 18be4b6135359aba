#include <algorithm>
#include <limits>
#include <map>
#include <numeric>

#include "ane/compiler/compile.h"
#include "ane/compiler/plan_surfaces.h"

namespace attune::ane {
namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

// From the first write to the last use, both included: a program's results never lie
// where its operands are.
struct Life {
  std::int64_t first = kForever, last = -1;
  bool once = false;

  void Extend(std::int64_t time) {
    first = std::min(first, time);
    last = std::max(last, time);
  }
};

std::vector<Life> LivesOf(Plan* plan) {
  std::vector<Life> lives(plan->surfaces.size());
  std::int64_t time = 0;
  const auto extend = [&](SurfaceId id, bool) { lives[static_cast<std::size_t>(id)].Extend(time); };
  for (Step& step : plan->steps) {
    ++time;
    VisitSurfaces(&step, extend);
    if (const auto* upload = std::get_if<Upload>(&step); upload != nullptr && upload->once) {
      lives[static_cast<std::size_t>(upload->surface)] = {0, kForever, true};
    }
    const auto* run = std::get_if<RunPrograms>(&step);
    for (std::int32_t i = 0; run != nullptr && i < run->count; ++i) {
      ++time;
      VisitSurfaces(&plan->programs[static_cast<std::size_t>(run->first + i)].region, extend);
    }
  }
  return lives;
}

// By surface: of the largest that is in a program with it, or with one that is.
std::vector<std::int64_t> UniformSizes(Plan* plan, std::vector<std::int64_t> sizes) {
  std::vector<std::size_t> parent(sizes.size());
  std::iota(parent.begin(), parent.end(), std::size_t{0});
  const auto root = [&parent](std::size_t i) {
    while (parent[i] != i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (PlanProgram& program : plan->programs) {
    std::size_t first = sizes.size();
    VisitSurfaces(&program.region, [&](SurfaceId id, bool) {
      const std::size_t other = root(static_cast<std::size_t>(id));
      if (first == sizes.size()) first = other;
      parent[other] = first = root(first);
    });
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    sizes[root(i)] = std::max(sizes[root(i)], sizes[i]);
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) sizes[i] = sizes[root(i)];
  return sizes;
}

// The lives of the surfaces in a slot, by their beginnings.
class Slot {
 public:
  bool IsFree(const Life& life) const {
    const auto after = lives_.upper_bound(life.last);
    return after == lives_.begin() || std::prev(after)->second < life.first;
  }
  void Take(const Life& life) {
    if (life.first <= life.last) lives_.emplace(life.first, life.last);
  }

 private:
  std::map<std::int64_t, std::int64_t> lives_;
};

}  // namespace

void AssignSlots(Plan* plan, bool uniform) {
  std::vector<std::int64_t> sizes;
  for (const SurfaceSpec& spec : plan->surfaces) sizes.push_back(spec.channels * spec.width);
  if (uniform) sizes = UniformSizes(plan, std::move(sizes));
  const std::vector<Life> lives = LivesOf(plan);

  // The largest first: a slot is then as large as the first that takes it.
  std::vector<std::size_t> by_size(sizes.size());
  std::iota(by_size.begin(), by_size.end(), std::size_t{0});
  std::ranges::stable_sort(by_size,
                           [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });

  plan->slots.assign(sizes.size(), kNone);
  plan->slot_elements.clear();
  std::vector<Slot> slots;
  for (const std::size_t surface : by_size) {
    std::size_t chosen = slots.size();
    // The last that is free is the smallest.
    for (std::size_t i = slots.size(); i-- > 0 && chosen == slots.size();) {
      const bool fits = !uniform || plan->slot_elements[i] == sizes[surface];
      if (fits && slots[i].IsFree(lives[surface])) chosen = i;
    }
    if (chosen == slots.size()) {
      slots.emplace_back();
      plan->slot_elements.push_back(sizes[surface]);
    }
    slots[chosen].Take(lives[surface]);
    plan->slots[surface] = static_cast<std::int32_t>(chosen);
  }
}

}  // namespace attune::ane
