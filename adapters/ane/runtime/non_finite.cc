// Where numbers stopped being finite: the surface, the layer that wrote it, the program.

#include <algorithm>

#include "ane/runtime/hybrid_executable.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// A node without a name of its own is labelled by its number: "%14 (rope)".
bool HasName(const std::string& label) { return !label.empty() && label[0] != '%'; }

// The graph node that a tensor comes from, and the nearest one before it that has a name,
// for that tells the layer.
std::string LabelOf(const Region& region, TensorId tensor) {
  std::string label;
  for (std::size_t i = region.nodes.size(); i-- > 0;) {
    const IrNode& node = region.nodes[i];
    if (node.output != tensor) continue;
    if (HasName(node.label)) return StrCat(label, label.empty() ? "" : " after ", node.label);
    if (label.empty()) label = node.label;
    if (node.inputs.empty()) break;
    tensor = node.inputs[0];
  }
  return label;
}

// Position of the node that makes a tensor; past the end for none.
std::size_t PlaceOf(const Region& region, TensorId tensor) {
  const auto it = std::find_if(region.nodes.begin(), region.nodes.end(),
                               [&](const IrNode& node) { return node.output == tensor; });
  return static_cast<std::size_t>(it - region.nodes.begin());
}

}  // namespace

std::string ProgramText(const Region& region) {
  std::string first, last;
  for (const IrNode& node : region.nodes) {
    if (node.label.empty()) continue;
    if (first.empty()) first = node.label;
    last = node.label;
  }
  if (first.empty()) return region.name;
  return StrCat(region.name, " (", first, first == last ? "" : " to " + last, ")");
}

std::string HybridExecutable::ValueText(ValueId id) const {
  const std::string& name = plan_.graph.value(id).name;
  return name.empty() ? StrCat("%", id) : name;
}

Status HybridExecutable::LookAtSurface(SurfaceId surface, const std::string& what,
                                       std::optional<std::string>* found) const {
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface locked, surfaces_->Lock(surface, true));
  if (!IsFinite(locked.data(), surfaces_->layout(surface))) *found = what;
  return OkStatus();
}

Status HybridExecutable::LookAtProgram(std::size_t index, std::optional<std::string>* found) const {
  const Region& region = plan_.programs[index].region;
  std::size_t earliest = region.nodes.size() + 1;
  for (const RegionOutput& output : region.outputs) {
    const std::size_t place = PlaceOf(region, output.tensor);
    if (place >= earliest) continue;
    const std::string label = LabelOf(region, output.tensor);
    const SurfaceSpec& spec = plan_.surfaces[static_cast<std::size_t>(output.surface)];
    std::optional<std::string> here;
    const std::string& layer = label.empty() ? spec.name : label;
    ATTUNE_RETURN_IF_ERROR(
        LookAtSurface(output.surface, StrCat(layer, " in program ", region.name), &here));
    if (!here) continue;
    *found = std::move(here);
    earliest = place;
  }
  return OkStatus();
}

}  // namespace attune::ane
