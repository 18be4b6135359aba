// An AdapterStore keeps generations of one adapter: PEFT bytes with where they
// come from. One of them serves, or none: then the bare base does.
//
// Durability, threads: as Vault.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "attune/status.h"
#include "vault/container.h"
#include "vault/vault.h"

namespace attune {

struct AdapterStoreOptions {
  std::string adapter;  // [a-z0-9._-], 1 to 64 characters.
  BaseHash base{};
  // Kept besides the one that serves.
  int keep = 3;
};

struct AdapterFiles {
  std::string config;   // adapter_config.json
  std::string weights;  // adapter_model.safetensors
};

// Counts, hashes and figures, never user text.
using Provenance = std::map<std::string, std::string>;

struct AdapterGeneration {
  AdapterEntry entry;
  AdapterFiles files;
  Provenance provenance;
};

class AdapterStore {
 public:
  // `vault` is not owned.
  AdapterStore(Vault& vault, AdapterStoreOptions options);

  // Stores a new generation, which does not serve yet, and drops the oldest
  // beyond `keep`, never the one that serves. Returns its number.
  Result<std::uint64_t> Add(const AdapterFiles& files, const Provenance& provenance,
                            const std::vector<IdRange>& seen);

  // Numbers of the generations there are, oldest first, and what the manifest
  // knows of them.
  std::vector<AdapterEntry> List() const;

  // 0: the bare base.
  std::uint64_t serving() const;

  // The generation serves from now on; 0 for the bare base.
  //
  //   kNotFound            there is no such generation
  //   kFailedPrecondition  tainted, or of another base
  Status Promote(std::uint64_t generation);

  // The newest untainted generation before the one that serves takes its place,
  // or the bare base. Returns which.
  Result<std::uint64_t> Rollback();

  // A damaged file goes to quarantine: kDataLoss. If it served, the newest
  // untainted one before it does now.
  Result<AdapterGeneration> Load(std::uint64_t generation);

  // What should serve now: the newest authentic, untainted generation not newer
  // than the serving one. Nothing (generation 0) for the bare base.
  Result<AdapterGeneration> LoadServing();

 private:
  Vault& vault_;
  AdapterStoreOptions options_;
};

}  // namespace attune
