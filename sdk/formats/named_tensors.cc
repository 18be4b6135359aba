#include "formats/named_tensors.h"

#include <cstdint>
#include <utility>

#include "base/strings.h"
#include "formats/json.h"

namespace attune {

bool NamedTensors::Add(std::string name, const TensorView& view) {
  return entries_.emplace(std::move(name), Entry{view, {}}).second;
}

bool NamedTensors::AddUnsupported(std::string name, std::string why) {
  return entries_.emplace(std::move(name), Entry{{}, std::move(why)}).second;
}

std::vector<std::string> NamedTensors::names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) names.push_back(name);
  return names;
}

Result<TensorView> NamedTensors::Get(std::string_view name) const {
  const auto found = entries_.find(name);
  if (found == entries_.end()) return NotFound(StrCat("tensor ", Quoted(name), " absent"));
  if (!found->second.unsupported.empty()) {
    return Unsupported(StrCat("tensor ", Quoted(name), ": ", found->second.unsupported));
  }
  return found->second.view;
}

bool IsAligned(const TensorView& view) {
  return reinterpret_cast<std::uintptr_t>(view.data) %
             static_cast<std::uintptr_t>(SizeOf(view.dtype)) ==
         0;
}

}  // namespace attune
