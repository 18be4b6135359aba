// Looking after a vault without its model, and what is shown of it.

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "session/adaptation_impl.h"
#include "session/training_checkpoint.h"
#include "vault/ledger_store.h"

namespace attune {
namespace {

constexpr std::size_t kShownBaseDigits = 16;

struct OpenStores {
  std::unique_ptr<Vault> vault;
  std::unique_ptr<ExampleStore> examples;
};
Result<OpenStores> OpenThere(const Platform& platform, const VaultLocation& location) {
  OpenStores open;
  ATTUNE_ASSIGN_OR_RETURN(open.vault, OpenVault(platform, location.directory, /*create=*/false));
  ATTUNE_ASSIGN_OR_RETURN(open.examples, ExampleStore::Open(*open.vault, ExamplePolicy()));
  return open;
}

std::string NameOf(Role role, std::uint64_t file) {
  return StrCat(RoleName(role), " ", HexOf(file));
}

}  // namespace

std::vector<GenerationInfo> DescribeGenerations(const Manifest& manifest,
                                                const std::string& adapter, std::uint64_t serving) {
  std::vector<GenerationInfo> generations;
  for (const AdapterEntry& entry : manifest.adapters) {
    if (entry.adapter != adapter) continue;
    generations.push_back({entry.generation,
                           entry.created,
                           entry.bytes,
                           entry.generation == serving,
                           entry.tainted,
                           HexOf(entry.base).substr(0, kShownBaseDigits),
                           {}});
    for (const OutcomeEntry& counted : manifest.outcomes) {
      const bool is_its = counted.adapter == adapter && counted.base == entry.base &&
                          counted.generation == entry.generation;
      if (is_its) generations.back().outcome = CountsOf(counted);
    }
  }
  return generations;
}

Result<VaultStatus> InspectVault(const Platform& platform, const VaultLocation& location) {
  ATTUNE_ASSIGN_OR_RETURN(const OpenStores open, OpenThere(platform, location));
  const Manifest& manifest = open.vault->manifest();
  VaultStatus status;
  status.manifest_generation = manifest.generation;
  status.key_generation = open.vault->key_generation();
  ATTUNE_ASSIGN_OR_RETURN(const ExampleTotals totals, open.examples->Totals());
  status.examples = totals.examples;
  status.example_bytes = totals.bytes;
  for (const CheckpointEntry& entry : manifest.checkpoints) {
    if (entry.adapter != location.adapter) continue;
    ++status.checkpoints;
    status.checkpoint_bytes += entry.bytes;
    status.checkpoint_step = static_cast<std::int64_t>(entry.step);
  }
  const AdapterStore adapters(*open.vault,
                              {location.adapter, ServedBase(manifest, location.adapter)});
  status.generations = DescribeGenerations(manifest, location.adapter, adapters.serving());
  ATTUNE_ASSIGN_OR_RETURN(const auto ledger, LedgerStore::Open(*open.vault, {}));
  ATTUNE_ASSIGN_OR_RETURN(const LedgerStore::Totals written, ledger->Measure());
  status.ledger_files = written.segments;
  status.ledger_bytes = written.bytes;
  for (const QuarantinedFile& file : manifest.quarantine) {
    status.quarantine.push_back({StrCat(NameOf(file.role, file.file), ": ", file.reason)});
  }
  return status;
}

Result<std::vector<VaultDamage>> VerifyVault(const Platform& platform,
                                             const VaultLocation& location) {
  ATTUNE_ASSIGN_OR_RETURN(const auto vault,
                          OpenVault(platform, location.directory, /*create=*/false));
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<Vault::Damage> found, vault->Verify());
  std::vector<VaultDamage> damage;
  for (const Vault::Damage& one : found) {
    damage.push_back({StrCat(NameOf(one.role, one.file), ": ", one.status.message())});
  }
  return damage;
}

Status RotateVaultKey(const Platform& platform, const VaultLocation& location) {
  ATTUNE_ASSIGN_OR_RETURN(const auto vault,
                          OpenVault(platform, location.directory, /*create=*/false));
  return vault->RotateKey();
}

Status ExportVaultExamples(const Platform& platform, const VaultLocation& location,
                           const std::string& path) {
  ATTUNE_ASSIGN_OR_RETURN(const OpenStores open, OpenThere(platform, location));
  return WriteExamples(*platform.files, *open.examples, path);
}

}  // namespace attune
