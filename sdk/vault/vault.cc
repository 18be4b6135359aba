#include "vault/vault.h"

#include <utility>

#include "base/strings.h"
#include "vault/file_names.h"
#include "vault/keys.h"
#include "vault/manifest_file.h"
#include "vault/seal.h"
#include "vault/vault_state.h"

namespace attune {

Result<std::unique_ptr<Vault>> Vault::Open(const VaultPorts& ports, const VaultOptions& options) {
  Result<VaultState> state = ReadVaultState(ports, options.directory, nullptr);
  if (!state.ok() && state.status().code() == StatusCode::kNotFound) {
    if (options.create) {
      state = CreateVault(ports, options);
    } else {
      ATTUNE_RETURN_IF_ERROR(CheckVacant(*ports.files, options.directory));
      return NotFound("vault: none in this directory");
    }
  }
  if (!state.ok()) return std::move(state).status();
  return std::unique_ptr<Vault>(new Vault(ports, options, *std::move(state)));
}

Vault::Vault(const VaultPorts& ports, const VaultOptions& options, VaultState state)
    : ports_(ports), options_(options), state_(std::make_unique<VaultState>(std::move(state))) {}

Vault::~Vault() = default;

const VaultId& Vault::id() const { return state_->id; }
const Manifest& Vault::manifest() const { return state_->manifest; }
std::uint64_t Vault::key_generation() const { return state_->item.key_generation; }

Status Vault::Refresh() {
  if (!uncertain_) {
    ATTUNE_ASSIGN_OR_RETURN(const std::string mark,
                            ReadManifestMark(*ports_.files, options_.directory));
    if (mark == state_->mark) return OkStatus();
  }
  return Reload();
}

Status Vault::Reload() {
  Result<VaultState> state = ReadVaultState(ports_, options_.directory, &state_->id);
  if (!state.ok()) {
    if (state.status().code() != StatusCode::kNotFound) return std::move(state).status();
    return DataLoss("vault: the manifest and its copy are gone");
  }
  *state_ = *std::move(state);
  uncertain_ = false;
  return OkStatus();
}

Result<Vault::NewSlice> Vault::MakeSlice(Role role, std::uint64_t id) {
  NewSlice made{.slice = {.id = id, .role = role, .wrapped_key = {}}, .key = {}};
  ATTUNE_ASSIGN_OR_RETURN(made.key, NewKey(*ports_.crypto));
  ATTUNE_ASSIGN_OR_RETURN(
      made.slice.wrapped_key,
      WrapSliceKey(*ports_.crypto, state_->root(), state_->id, role, id, made.key.bytes()));
  return made;
}

Result<Secret> Vault::SliceKey(std::uint64_t id) {
  const Slice* slice = state_->manifest.FindSlice(id);
  if (slice == nullptr) return NotFound(StrCat("slice ", id, ": its key was dropped"));
  return UnwrapSliceKey(*ports_.crypto, state_->root(), state_->id, *slice);
}

Status Vault::RotateKey() {
  ATTUNE_ASSIGN_OR_RETURN(const std::unique_ptr<Transaction> turn, Begin());
  return turn->CommitUnderNewKey();
}

// Stores a new root key beside the one that is to go, and wraps the slices of `next`
// under it. From here on, whatever follows, a rotation is under way.
Status Vault::StoreNewKey(Manifest* next) {
  KeyItem item;
  item.anchor = state_->item.anchor;
  item.key_generation = state_->item.key_generation + 1;
  ATTUNE_ASSIGN_OR_RETURN(item.current, NewKey(*ports_.crypto));
  ATTUNE_RETURN_IF_ERROR(RewrapSlices(*ports_.crypto, state_->item.current.bytes(),
                                      item.current.bytes(), state_->id, next));
  item.previous = std::move(state_->item.current);
  const Status stored = StoreKeyItem(*ports_.keys, *ports_.crypto, state_->id, item);
  if (!stored.ok()) {
    // Perhaps it was stored nevertheless: the next look tells.
    state_->item.current = std::move(item.previous);
    uncertain_ = true;
    return stored;
  }
  state_->item = std::move(item);
  state_->under_previous = true;
  return OkStatus();
}

Status Vault::FinishLastCommit() {
  if (state_->copies_differ || state_->under_previous) {
    Manifest next = state_->manifest;
    ++next.generation;
    if (state_->under_previous) {
      ATTUNE_RETURN_IF_ERROR(RewrapSlices(*ports_.crypto, state_->item.previous.bytes(),
                                          state_->item.current.bytes(), state_->id, &next));
    }
    ATTUNE_RETURN_IF_ERROR(Publish(std::move(next)));
  } else if (state_->item.anchor < state_->manifest.generation) {
    // Whoever committed this may have been killed before it was durable. Nothing
    // may rest on it until it is: no anchor, no file removed, no record appended.
    ATTUNE_RETURN_IF_ERROR(ports_.files->SyncDirectory(options_.directory));
  }
  return state_->item.anchor < state_->manifest.generation ? Anchor() : OkStatus();
}

// Makes `next` the newest manifest, under the current root key.
Status Vault::Publish(Manifest next) {
  ATTUNE_ASSIGN_OR_RETURN(
      const std::string file,
      SealManifest(*ports_.crypto, state_->item.current.bytes(), state_->id, next));
  bool began = false;
  const Status replaced = ReplaceManifest(*ports_.files, options_.directory, file, &began);
  if (!replaced.ok()) {
    uncertain_ = began;
    return replaced;
  }
  state_->manifest = std::move(next);
  state_->mark = file.substr(0, kManifestMarkBytes);
  state_->copies_differ = false;
  state_->under_previous = false;
  return OkStatus();
}

// From here on an older manifest is a rollback, and the previous root key gone.
// REQUIRES: the manifest is durable, under the current root key.
Status Vault::Anchor() {
  KeyItem next;
  next.current = std::move(state_->item.current);
  next.anchor = state_->manifest.generation;
  next.key_generation = state_->item.key_generation;
  const Status stored = StoreKeyItem(*ports_.keys, *ports_.crypto, state_->id, next);
  state_->item.current = std::move(next.current);
  if (!stored.ok()) return stored;
  state_->item.anchor = next.anchor;
  state_->item.previous = Secret();
  return OkStatus();
}

std::string Vault::PathOf(Role role, std::uint64_t file) const {
  return JoinPath(options_.directory, FormatFileName(role, file));
}

}  // namespace attune
