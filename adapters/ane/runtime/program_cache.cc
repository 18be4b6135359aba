#include "ane/runtime/program_cache.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ane/compiler/emit.h"

namespace attune::ane {
namespace {

// At a device that is busy or interrupted, after those of the driver.
constexpr int kAttempts = 3;

}  // namespace

Result<std::shared_ptr<CachedProgram>> ProgramCache::Acquire(const ProgramImage& image) {
  std::string digest = DigestOf(image);
  int waited = 0;
  if (const auto it = programs_.find(digest); it != programs_.end()) {
    ++hits_;
    if (it->second->program == nullptr) {
      ATTUNE_RETURN_IF_ERROR(Load(image, it->second.get(), &waited));
    }
    ++it->second->users;
    return it->second;
  }
  auto cached = std::make_shared<CachedProgram>();
  cached->digest = digest;
  cached->weight_bytes = static_cast<std::int64_t>(image.weights.size());
  ATTUNE_RETURN_IF_ERROR(Load(image, cached.get(), &waited));
  cached->users = 1;
  programs_.emplace(std::move(digest), cached);
  return cached;
}

void ProgramCache::Release(const std::shared_ptr<CachedProgram>& cached) {
  if (--cached->users > 0) return;
  Unload(cached.get());
  programs_.erase(cached->digest);
}

Status ProgramCache::Load(const ProgramImage& image, CachedProgram* cached, int* waited) {
  MakeRoom(cached);
  for (;;) {
    auto program = device_.Load(image);
    if (program.ok()) {
      cached->program = *std::move(program);
      cached->last_use = ++clock_;
      most_loaded_ = std::max(most_loaded_, ++loaded_);
      loaded_bytes_ += cached->weight_bytes;
      return OkStatus();
    }
    // Other processes have programs loaded too: the limit may come sooner than ours.
    const bool full = program.status().code() == StatusCode::kResourceExhausted;
    if (!full || !WaitForRoom(cached, waited)) return program.status();
  }
}

void ProgramCache::MakeRoom(const CachedProgram* spared) {
  while (loaded_ >= limits_.programs ||
         (loaded_ > 0 && loaded_bytes_ + spared->weight_bytes > limits_.bytes)) {
    if (!EvictOne(spared)) return;
  }
}

bool ProgramCache::EvictOne(const CachedProgram* spared) {
  CachedProgram* oldest = nullptr;
  for (const auto& [digest, cached] : programs_) {
    if (cached->program == nullptr || cached.get() == spared) continue;
    if (oldest == nullptr || cached->last_use < oldest->last_use) oldest = cached.get();
  }
  if (oldest == nullptr) return false;
  Unload(oldest);
  ++evictions_;
  return true;
}

bool ProgramCache::WaitForRoom(const CachedProgram* spared, int* waited) {
  if (EvictOne(spared)) return true;
  if (limits_.clock == nullptr || *waited >= limits_.pauses) return false;
  limits_.clock->Sleep(std::ldexp(limits_.first_pause_seconds, (*waited)++));
  return true;
}

void ProgramCache::Unload(CachedProgram* cached) {
  if (cached->program == nullptr) return;
  cached->program.reset();
  cached->bound_to.reset();
  --loaded_;
  loaded_bytes_ -= cached->weight_bytes;
}

Status ProgramCache::EnsureReady(ProgramUse* use, int* waited) {
  CachedProgram& cached = *use->cached;
  if (cached.program == nullptr) {
    ATTUNE_ASSIGN_OR_RETURN(const ProgramImage image, use->image());
    ATTUNE_RETURN_IF_ERROR(Load(image, &cached, waited));
  }
  if (cached.bound_to == use->surfaces) return OkStatus();
  cached.bound_to.reset();
  ATTUNE_RETURN_IF_ERROR(cached.program->Bind(use->inputs, use->outputs));
  cached.bound_to = use->surfaces;
  return OkStatus();
}

Status ProgramCache::Evaluate(ProgramUse* use) {
  int waited = 0, interrupted = 0;
  for (;;) {
    Status status = EnsureReady(use, &waited);
    if (status.ok()) {
      use->cached->last_use = ++clock_;
      status = use->cached->program->Evaluate();
    }
    if (status.ok()) return status;
    if (status.code() == StatusCode::kResourceExhausted) {
      if (!WaitForRoom(use->cached.get(), &waited)) return status;
    } else if (status.code() == StatusCode::kUnavailable && ++interrupted < kAttempts) {
      // An interrupted program may stay unusable until it is loaded anew.
      Unload(use->cached.get());
    } else {
      return status;
    }
  }
}

}  // namespace attune::ane
