// What it takes to let examples go: rewriting days without them under new keys, and
// finding what was trained on them. Nothing happens before the transaction commits.
//
// Threads: as Vault.

#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "attune/example.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "vault/vault.h"

namespace attune {

// Writes each segment of these days anew, under one new key a day, with the
// examples for which `keep` is true; ids stay. What opens in neither of two readings is
// not kept; `keep` is asked in each. One segment is in memory at a time. Old segments
// leave the transaction's manifest.
// REQUIRES: no segment of these days is open.
Status RewriteDays(Vault& vault, Vault::Transaction& transaction,
                   const std::set<std::int64_t>& days,
                   FunctionRef<bool(const StoredExample&)> keep);

struct Tainted {
  std::uint64_t generations = 0;
  std::uint64_t checkpoints = 0;
};

// Marks the adapter generations that saw any of `ids`; where one of them serves,
// the newest one before it that has served and is not marked takes its place, or
// the bare base. Drops the checkpoints that saw any. Ends every run that has begun:
// what it has read by now, and what it will say it saw, nobody knows.
// REQUIRES: ids that are not empty.
Tainted TaintWhatSaw(const std::vector<IdRange>& ids, Manifest* manifest);

}  // namespace attune
