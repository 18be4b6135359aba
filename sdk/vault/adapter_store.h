// An AdapterStore keeps generations of one adapter: PEFT bytes with where they
// come from. One of them serves, or none: then the bare base does.
//
// What serves is the newest generation, not newer than the one promoted last, that
// was promoted once, is untainted and of this base. So a generation that learned
// what was forgotten, or whose file is damaged, makes way for the one before it
// without a further write, and one that was never found good is never fallen back
// to.
// Durability, threads: as Vault.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "attune/outcome.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "vault/container.h"
#include "vault/vault.h"

namespace attune {

struct AdapterStoreOptions {
  std::string adapter;  // [a-z0-9._-], 1 to 64 characters.
  BaseHash base{};
  // Kept besides the one that serves, at least 1.
  int keep = 3;
};

inline constexpr std::uint64_t kMaxOutcomes = 1'000'000'000;

struct AdapterFiles {
  std::string config;   // adapter_config.json
  std::string weights;  // adapter_model.safetensors
  bool operator==(const AdapterFiles&) const = default;
};

// Counts, hashes and figures, never user text. Keys as for EncodeContainer().
using Provenance = std::map<std::string, std::string>;

// How a generation comes to be; what is asked for happens in one commit with it.
struct AddOptions {
  // Which run it is the end of: that run's saved states go. 0: of none.
  std::uint64_t run = 0;
  bool promote = false;  // It serves from now on.
};

struct AdapterGeneration {
  AdapterEntry entry;  // Generation 0 for the bare base.
  AdapterFiles files;
  Provenance provenance;
};

class AdapterStore {
 public:
  // `vault` is not owned.
  AdapterStore(Vault& vault, AdapterStoreOptions options);

  // Stores a new generation, and drops tainted ones and
  // the oldest beyond `keep`, never the one that serves. Returns its number. On
  // error it is absent; after kIoError it may be there, whole.
  //
  //   kFailedPrecondition  the run is not the one of this adapter that began last, or
  //                        examples were forgotten since it began (see
  //                        CheckpointStore)
  Result<std::uint64_t> Add(const AdapterFiles& files, const Provenance& provenance,
                            const std::vector<IdRange>& seen, const AddOptions& options = {});

  // Numbers of the generations there are, oldest first, and what the manifest
  // knows of them.
  std::vector<AdapterEntry> List() const;

  // 0: the bare base.
  std::uint64_t serving() const;

  // The largest id among the examples of the newest generation that is untainted, of
  // any base; 0 without one.
  std::uint64_t LastSeen() const;

  // The generation serves from now on; 0 for the bare base.
  //
  //   kNotFound            there is no such generation
  //   kFailedPrecondition  tainted, or of another base
  Status Promote(std::uint64_t generation);

  // What would serve if the one that serves did not exist takes its place. Returns
  // which; 0 for the bare base.
  Result<std::uint64_t> Rollback();

  // Counts of one generation, and of what would serve if it did not exist: the one
  // `before` it. Each as it is after what is added.
  struct Outcomes {
    std::uint64_t generation = 0;
    OutcomeEntry earlier, now;
    std::uint64_t before_generation = 0;
    OutcomeEntry before;
    bool rolled_back = false;
    std::uint64_t serving = 0;
  };
  // Adds to the counts of a generation, 0 for the bare base. If it serves and is not
  // that, `is_worse` says whether it makes way for the one before it; it then serves
  // again only if it is promoted again. One commit. Beyond kMaxOutcomes nothing is
  // added, nor for a generation that is no more.
  Result<Outcomes> AddOutcome(std::uint64_t generation, std::uint64_t shown, std::uint64_t accepted,
                              FunctionRef<bool(const Outcomes&)> is_worse);

  // Any generation of this base, tainted ones too.
  //
  //   kNotFound            there is no such generation
  //   kFailedPrecondition  of another base
  //   kDataLoss            damaged; it has gone to quarantine
  Result<AdapterGeneration> Load(std::uint64_t generation);

  // What should serve now; damaged files go to quarantine on the way to it.
  //
  //   kUnavailable  other processes replace it faster than it can be read
  Result<AdapterGeneration> LoadServing();

 private:
  Vault& vault_;
  AdapterStoreOptions options_;
};

Outcome CountsOf(const OutcomeEntry& entry);

}  // namespace attune
