#include "session/generation_curve.h"

#include <utility>

#include "base/strings.h"
#include "session/adaptation_impl.h"
#include "session/training_output.h"

namespace attune {

Result<std::string> CurveOfGeneration(const Platform& platform, const VaultLocation& location,
                                      std::uint64_t generation) {
  ATTUNE_ASSIGN_OR_RETURN(const auto vault,
                          OpenVault(platform, location.directory, /*create=*/false));
  const AdapterEntry* entry = vault->manifest().FindAdapter(location.adapter, generation);
  if (entry == nullptr) {
    return NotFound(StrCat("adapter ", location.adapter, ": no generation ", generation));
  }
  AdapterStore adapters(*vault, {location.adapter, entry->base});
  ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration loaded, adapters.Load(generation));
  return std::move(loaded.provenance[kCurveDrawing]);
}

}  // namespace attune
