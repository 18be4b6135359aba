// Which of a vault's examples a run learns from and is tested on.

#include <algorithm>
#include <utility>

#include "session/adaptation_impl.h"
#include "session/splits.h"

namespace attune {
namespace {

Message MessageOf(const Example& example) {
  return {.prompt = example.prompt, .text = example.text};
}

struct Dated {
  std::int64_t when = 0;
  Message message;
};

void Append(std::uint64_t id, std::vector<IdRange>* ranges) {
  if (!ranges->empty() && ranges->back().last + 1 == id) {
    ranges->back().last = id;
  } else {
    ranges->push_back({id, id});
  }
}

}  // namespace

Result<ExampleSnapshot> Adaptation::Impl::Snapshot(const std::vector<IdRange>* only,
                                                   bool stopping) {
  ExampleSnapshot snapshot;
  std::vector<Dated> dated;
  const auto visit = [&](const StoredExample& stored) {
    if (!IsOfSource(stored.example)) return true;
    if (stored.example.kind == ExampleKind::kLabelledBlob) {
      ++snapshot.skipped;
      return true;
    }
    dated.push_back({stored.example.when, MessageOf(stored.example)});
    Append(stored.id, &snapshot.seen);
    return true;
  };
  ATTUNE_ASSIGN_OR_RETURN(
      const ExampleStore::Visited visited,
      only == nullptr ? examples_->ForEach(visit) : examples_->ForEachOf(*only, visit));
  snapshot.damaged = static_cast<std::int64_t>(visited.damaged);
  snapshot.seen = MergeRanges(std::move(snapshot.seen));
  std::stable_sort(dated.begin(), dated.end(),
                   [](const Dated& a, const Dated& b) { return a.when < b.when; });
  std::vector<Message> messages;
  for (Dated& one : dated) messages.push_back(std::move(one.message));
  snapshot.messages = SplitForRun(std::move(messages),
                                  {.held_out_fraction = options_.held_out_fraction,
                                   .held_out_examples = options_.held_out_examples,
                                   .stopping_fraction = stopping ? options_.stopping_fraction : 0,
                                   .keep_near_duplicates = options_.keep_near_duplicates});
  return snapshot;
}

}  // namespace attune
