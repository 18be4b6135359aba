// What the stores of checkpoints and of adapters have in common: containers, each
// sealed in a file of its own under a key of its own.
//
// Threads: as Vault.

#pragma once

#include <string_view>
#include <vector>

#include "attune/status.h"
#include "vault/container.h"
#include "vault/context.h"
#include "vault/manifest.h"
#include "vault/vault.h"

namespace attune {

struct FileOwner {
  Role role = Role::kCheckpoint;
  std::string_view adapter;
  BaseHash base{};
};

//   kInvalidArgument  the name is not [a-z0-9._-], 1 to 64 characters
Status CheckAdapterName(std::string_view adapter);

// The adapter's line; a new one if it has none.
AdapterLine& LineOf(std::string_view adapter, Manifest* manifest);

// Seals and writes an encoded container as a new file, with a new slice in the
// transaction's manifest. The caller puts the entry that comes back there too.
Result<StoredFile> StoreContainer(Vault& vault, Vault::Transaction* transaction,
                                  const FileOwner& owner, std::string_view container,
                                  const std::vector<IdRange>& seen);

// Reads it back. What is damaged goes to quarantine: kDataLoss. kNotFound: another
// process has dropped it.
Result<Container> LoadContainer(Vault& vault, Role role, const StoredFile& file);

}  // namespace attune
