#include "vault/adapter_store.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "vault/bytes.h"
#include "vault/stored_file.h"

namespace attune {
namespace {

constexpr const char* kConfigSection = "adapter_config.json";
constexpr const char* kWeightsSection = "adapter_model.safetensors";
constexpr std::uint64_t kAnyGeneration = std::numeric_limits<std::uint64_t>::max();

// How often to look again for a generation that another process has dropped.
constexpr int kMaxAttempts = 5;

// safetensors aligns its data to 8 bytes, so planes of 4 suit f32 and halves.
constexpr std::uint8_t kWeightsWidth = 4;

// The newest generation up to `ceiling` that may serve; null for the bare base.
const AdapterEntry* NewestServable(const Manifest& manifest, const AdapterStoreOptions& options,
                                   std::uint64_t ceiling) {
  const AdapterEntry* newest = nullptr;
  for (const AdapterEntry& entry : manifest.adapters) {
    const bool may_serve = entry.adapter == options.adapter && entry.base == options.base &&
                           entry.promoted && !entry.tainted && entry.generation <= ceiling;
    if (may_serve && (newest == nullptr || entry.generation > newest->generation)) newest = &entry;
  }
  return newest;
}

const AdapterEntry* Serving(const Manifest& manifest, const AdapterStoreOptions& options,
                            std::uint64_t ceiling = kAnyGeneration) {
  const AdapterLine* line = manifest.FindLine(options.adapter);
  if (line == nullptr) return nullptr;
  return NewestServable(manifest, options, std::min(ceiling, line->serving));
}

std::uint64_t NumberOf(const AdapterEntry* entry) {
  return entry == nullptr ? 0 : entry->generation;
}

// Entries are in the order of their generations.
void Prune(const AdapterStoreOptions& options, Manifest* manifest) {
  const std::uint64_t serving = NumberOf(Serving(*manifest, options));
  const auto dispensable = [&](const AdapterEntry& entry) {
    return entry.adapter == options.adapter && entry.generation != serving;
  };
  auto& entries = manifest->adapters;
  std::erase_if(entries,
                [&](const AdapterEntry& entry) { return dispensable(entry) && entry.tainted; });
  auto excess = std::count_if(entries.begin(), entries.end(), dispensable) - options.keep;
  std::erase_if(entries,
                [&](const AdapterEntry& entry) { return dispensable(entry) && excess-- > 0; });
}

bool IsOutcomeOf(const OutcomeEntry& entry, const AdapterStoreOptions& options,
                 std::uint64_t generation) {
  return entry.adapter == options.adapter && entry.base == options.base &&
         entry.generation == generation;
}

// As counted so far; none where nothing was.
OutcomeEntry OutcomeOf(const Manifest& manifest, const AdapterStoreOptions& options,
                       std::uint64_t generation) {
  for (const OutcomeEntry& entry : manifest.outcomes) {
    if (IsOutcomeOf(entry, options, generation)) return entry;
  }
  OutcomeEntry none;
  none.adapter = options.adapter;
  none.base = options.base;
  none.generation = generation;
  return none;
}

void SetOutcome(const AdapterStoreOptions& options, const OutcomeEntry& outcome,
                Manifest* manifest) {
  for (OutcomeEntry& entry : manifest->outcomes) {
    if (!IsOutcomeOf(entry, options, outcome.generation)) continue;
    entry = outcome;
    return;
  }
  manifest->outcomes.push_back(outcome);
}

Status NoSuchGeneration(const AdapterStoreOptions& options, std::uint64_t generation) {
  return NotFound(StrCat("adapter ", options.adapter, ": no generation ", generation));
}

Status CheckBase(const AdapterStoreOptions& options, const AdapterEntry& entry) {
  if (entry.base == options.base) return OkStatus();
  return FailedPrecondition(StrCat("adapter ", options.adapter, ": generation ", entry.generation,
                                   " belongs to another base model"));
}

Result<AdapterGeneration> LoadGeneration(Vault& vault, const AdapterEntry& entry) {
  ATTUNE_ASSIGN_OR_RETURN(Container content, LoadContainer(vault, Role::kAdapter, entry));
  const Container::Section* config = content.Find(kConfigSection);
  const Container::Section* weights = content.Find(kWeightsSection);
  if (config == nullptr || weights == nullptr) {
    Status status = DataLoss(StrCat("adapter: generation ", entry.generation, " without ",
                                    config == nullptr ? kConfigSection : kWeightsSection));
    vault.Quarantine(Role::kAdapter, entry.file, status.message()).Ignore();
    return status;
  }
  return AdapterGeneration{entry, {config->bytes, weights->bytes}, std::move(content.fields)};
}

}  // namespace

Outcome CountsOf(const OutcomeEntry& entry) {
  return {static_cast<std::int64_t>(entry.shown), static_cast<std::int64_t>(entry.accepted)};
}

AdapterStore::AdapterStore(Vault& vault, AdapterStoreOptions options)
    : vault_(vault), options_(std::move(options)) {
  ATTUNE_CHECK(options_.keep >= 1);
}

Result<std::uint64_t> AdapterStore::Add(const AdapterFiles& files, const Provenance& provenance,
                                        const std::vector<IdRange>& seen,
                                        const AddOptions& options) {
  ATTUNE_RETURN_IF_ERROR(CheckAdapterName(options_.adapter));
  const ContainerSection sections[] = {
      {kConfigSection, 1, AsBytes(files.config)},
      {kWeightsSection, kWeightsWidth, AsBytes(files.weights)},
  };
  // The slow part, before other processes are made to wait.
  const std::string container = EncodeContainer(provenance, sections);
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  Manifest& manifest = transaction->manifest();
  AdapterLine& line = LineOf(options_.adapter, &manifest);
  if (options.run != 0 && options.run != line.run) {
    return FailedPrecondition(
        StrCat("adapter ", options_.adapter, " of run ", options.run, ": run ", line.run,
               " took over, or what it learned from was forgotten; run again"));
  }
  const std::uint64_t generation = line.next_generation++;
  const FileOwner owner = {Role::kAdapter, options_.adapter, options_.base};
  AdapterEntry entry;
  ATTUNE_ASSIGN_OR_RETURN(static_cast<StoredFile&>(entry),
                          StoreContainer(vault_, transaction.get(), owner, container, seen));
  entry.generation = generation;
  entry.promoted = options.promote;
  manifest.adapters.push_back(std::move(entry));
  if (options.promote) line.serving = generation;
  // A run of which both the generation and a saved state were left would go on, be
  // compared with its own generation, and be stored again.
  std::erase_if(manifest.checkpoints, [&](const CheckpointEntry& checkpoint) {
    return options.run != 0 && checkpoint.adapter == options_.adapter;
  });
  Prune(options_, &manifest);
  ATTUNE_RETURN_IF_ERROR(transaction->Commit());
  return generation;
}

std::vector<AdapterEntry> AdapterStore::List() const {
  std::vector<AdapterEntry> entries;
  for (const AdapterEntry& entry : vault_.manifest().adapters) {
    if (entry.adapter == options_.adapter) entries.push_back(entry);
  }
  return entries;
}

std::uint64_t AdapterStore::serving() const {
  return NumberOf(Serving(vault_.manifest(), options_));
}

std::uint64_t AdapterStore::LastSeen() const {
  const AdapterEntry* newest = nullptr;
  for (const AdapterEntry& entry : vault_.manifest().adapters) {
    if (entry.adapter == options_.adapter && !entry.tainted) newest = &entry;
  }
  return newest == nullptr || newest->seen.empty() ? 0 : newest->seen.back().last;
}

Status AdapterStore::Promote(std::uint64_t generation) {
  ATTUNE_RETURN_IF_ERROR(CheckAdapterName(options_.adapter));
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  Manifest& manifest = transaction->manifest();
  for (AdapterEntry& entry : manifest.adapters) {
    if (entry.adapter != options_.adapter || entry.generation != generation) continue;
    ATTUNE_RETURN_IF_ERROR(CheckBase(options_, entry));
    if (entry.tainted) {
      return FailedPrecondition(StrCat("adapter ", options_.adapter, ": generation ", generation,
                                       " learned what was forgotten since"));
    }
    entry.promoted = true;
  }
  if (generation != 0 && manifest.FindAdapter(options_.adapter, generation) == nullptr) {
    return NoSuchGeneration(options_, generation);
  }
  LineOf(options_.adapter, &manifest).serving = generation;
  return transaction->Commit();
}

Result<std::uint64_t> AdapterStore::Rollback() {
  ATTUNE_RETURN_IF_ERROR(CheckAdapterName(options_.adapter));
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  Manifest& manifest = transaction->manifest();
  const std::uint64_t now = NumberOf(Serving(manifest, options_));
  const std::uint64_t before = now == 0 ? 0 : NumberOf(NewestServable(manifest, options_, now - 1));
  LineOf(options_.adapter, &manifest).serving = before;
  ATTUNE_RETURN_IF_ERROR(transaction->Commit());
  return before;
}

Result<AdapterStore::Outcomes> AdapterStore::AddOutcome(
    std::uint64_t generation, std::uint64_t shown, std::uint64_t accepted,
    FunctionRef<bool(const Outcomes&)> is_worse) {
  ATTUNE_RETURN_IF_ERROR(CheckAdapterName(options_.adapter));
  ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault_.Begin());
  Manifest& manifest = transaction->manifest();
  Outcomes outcomes;
  outcomes.generation = generation;
  outcomes.serving = NumberOf(Serving(manifest, options_));
  outcomes.earlier = OutcomeOf(manifest, options_, generation);
  outcomes.now = outcomes.earlier;
  if (shown <= kMaxOutcomes && outcomes.now.shown <= kMaxOutcomes - shown) {
    outcomes.now.shown += shown;
    outcomes.now.accepted += accepted;
  }
  SetOutcome(options_, outcomes.now, &manifest);
  if (generation != 0) {
    outcomes.before_generation = NumberOf(NewestServable(manifest, options_, generation - 1));
    outcomes.before = OutcomeOf(manifest, options_, outcomes.before_generation);
    outcomes.rolled_back = generation == outcomes.serving && is_worse(outcomes);
  }
  if (outcomes.rolled_back) {
    for (AdapterEntry& entry : manifest.adapters) {
      const bool is_it = entry.adapter == options_.adapter && entry.generation == generation;
      if (is_it) entry.promoted = false;
    }
    LineOf(options_.adapter, &manifest).serving = outcomes.before_generation;
    outcomes.serving = outcomes.before_generation;
  }
  ATTUNE_RETURN_IF_ERROR(transaction->Commit());
  return outcomes;
}

Result<AdapterGeneration> AdapterStore::Load(std::uint64_t generation) {
  ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
  const AdapterEntry* found = vault_.manifest().FindAdapter(options_.adapter, generation);
  if (found == nullptr) return NoSuchGeneration(options_, generation);
  ATTUNE_RETURN_IF_ERROR(CheckBase(options_, *found));
  const AdapterEntry entry = *found;  // Loading may change the manifest.
  return LoadGeneration(vault_, entry);
}

Result<AdapterGeneration> AdapterStore::LoadServing() {
  ATTUNE_RETURN_IF_ERROR(vault_.Refresh());
  std::uint64_t ceiling = kAnyGeneration;
  int attempts = kMaxAttempts;
  while (attempts > 0) {
    const AdapterEntry* serving = Serving(vault_.manifest(), options_, ceiling);
    if (serving == nullptr) return AdapterGeneration();
    const AdapterEntry entry = *serving;  // Loading may change the manifest.
    Result<AdapterGeneration> generation = LoadGeneration(vault_, entry);
    if (generation.ok()) return generation;
    switch (generation.status().code()) {
      case StatusCode::kDataLoss:
        ceiling = entry.generation - 1;  // Even if it could not be put into quarantine.
        break;
      case StatusCode::kNotFound:
        ceiling = kAnyGeneration;  // The vault has looked at the manifest again.
        --attempts;
        break;
      default:
        return generation;
    }
  }
  return Unavailable(StrCat("adapter ", options_.adapter, ": what serves was replaced ",
                            kMaxAttempts, " times while it was read; try again"));
}

}  // namespace attune
