// Which examples a query means, and what follows from their going.

#include <algorithm>
#include <string_view>
#include <utility>

#include "session/adaptation_impl.h"

namespace attune {
namespace {

// Whether only ids are given, or nothing.
bool IsByIdAlone(const ForgetQuery& query) {
  return query.containing.empty() && query.source.empty() && query.from == 0 && query.before == 0;
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
  const bool by_id = IsByIdAlone(query);
  if (by_id && query.ids.empty()) {
    return InvalidArgument("what to forget: no field of the query is set");
  }
  ForgetQuery sorted = query;
  std::sort(sorted.ids.begin(), sorted.ids.end());
  // By id it also stops what learned from examples that have gone by age since.
  std::vector<IdRange> ids;
  for (const std::uint64_t id : sorted.ids) ids.push_back({id, id});
  const Result<ForgetReport> report =
      by_id ? examples_->ForgetIds(ids)
            : examples_->Forget([&](const StoredExample& stored) { return Fits(sorted, stored); });
  // What had learned from them makes way at once, also if only the old key would not
  // go.
  const Status made_way = Refresh();
  if (!report.ok()) return report.status();
  ATTUNE_RETURN_IF_ERROR(made_way);
  return Forgotten{report->examples, report->generations, report->checkpoints, report->unreadable,
                   serving()};
}

}  // namespace attune
