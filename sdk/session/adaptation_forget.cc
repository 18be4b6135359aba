// Which examples a query means, and what follows from their going.

#include <algorithm>
#include <string_view>
#include <utility>

#include "session/adaptation_impl.h"

namespace attune {
namespace {

bool IsEmpty(const ForgetQuery& query) {
  return query.ids.empty() && query.containing.empty() && query.source.empty() && query.from == 0 &&
         query.before == 0;
}

// REQUIRES: sorted ids.
bool Fits(const ForgetQuery& query, const StoredExample& stored) {
  const Example& example = stored.example;
  const auto has = [&](std::string_view part) {
    return part.find(query.containing) != std::string_view::npos;
  };
  if (!query.ids.empty() && !std::binary_search(query.ids.begin(), query.ids.end(), stored.id)) {
    return false;
  }
  if (!query.containing.empty() && !has(example.text) && !has(example.prompt)) return false;
  if (!query.source.empty() && example.source != query.source) return false;
  if (query.from != 0 && example.when < query.from) return false;
  return query.before == 0 || example.when < query.before;
}

}  // namespace

Result<Forgotten> Adaptation::Impl::Forget(const ForgetQuery& query) {
  if (IsEmpty(query)) return InvalidArgument("what to forget: no field of the query is set");
  ForgetQuery sorted = query;
  std::sort(sorted.ids.begin(), sorted.ids.end());
  ATTUNE_ASSIGN_OR_RETURN(
      const ForgetReport report,
      examples_->Forget([&](const StoredExample& stored) { return Fits(sorted, stored); }));
  // What had learned from them makes way at once.
  ATTUNE_RETURN_IF_ERROR(Refresh());
  return Forgotten{report.examples, report.generations, report.checkpoints, serving()};
}

}  // namespace attune
