// A CheckpointStore keeps the newest usable training states of one adapter,
// compressed and sealed.
//
// Durability: once Commit() returns OK the checkpoint survives a kill and a power
// failure; until then Latest() gives the one before.
// Threads: as Vault.

#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "attune/status.h"
#include "vault/container.h"
#include "vault/vault.h"

namespace attune {

struct CheckpointOptions {
  std::string adapter;  // [a-z0-9._-], 1 to 64 characters.
  BaseHash base{};
  // How many there are at most, at least 1. With 1, one damaged file loses all
  // progress since the start.
  int keep = 2;
};

// What the caller makes of a state: text fields and byte sections, as for
// EncodeContainer(). Keys that begin with "attune." are the store's own.
struct CheckpointData {
  std::uint64_t step = 0;
  std::map<std::string, std::string> fields;
  std::span<const ContainerSection> sections;
  std::vector<IdRange> seen;  // Examples of the run.
};

struct Checkpoint {
  CheckpointEntry entry;
  Container content;
};

// What was found unusable on the way to a usable one.
struct CheckpointNews {
  int quarantined = 0;
  int tainted = 0;
  int other_base = 0;
};

class CheckpointStore {
 public:
  // `vault` is not owned.
  CheckpointStore(Vault& vault, CheckpointOptions options);

  // From here on only checkpoints of this run are accepted; a run that began
  // earlier gets kFailedPrecondition from its next Commit(). Comes before the run
  // reads any example: who forgets one ends the runs that have begun. `resume`: what
  // is there stays, for Latest(); else it is dropped.
  Status BeginRun(bool resume);

  // The run's number; 0 before BeginRun().
  std::uint64_t run() const { return run_; }

  // Makes `data` the newest checkpoint; drops those beyond `keep`, and those that
  // cannot be used. On error it is absent; after kIoError it may be there, whole.
  //
  //   kResourceExhausted   no disk space
  //   kFailedPrecondition  another run of this adapter has begun since, or none;
  //                        or examples were forgotten since, which the run may
  //                        have learned from
  Status Commit(const CheckpointData& data);

  // The newest one that authenticates, belongs to the base and is untainted.
  // Damaged ones go to quarantine, and the one before is used.
  //
  //   kNotFound     there is none
  //   kUnavailable  other processes replace them faster than they can be read
  Result<Checkpoint> Latest(CheckpointNews* news = nullptr);

  // Drops all of this adapter's, e.g. after its generation was stored; after
  // BeginRun() not those of a run that has begun since.
  Status Clear();

 private:
  Vault& vault_;
  CheckpointOptions options_;
  std::uint64_t run_ = 0;
};

}  // namespace attune
