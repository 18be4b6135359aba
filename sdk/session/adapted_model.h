// AdaptedModel is a base model with the adapter that is in force, and the
// executables that run the two. Executables are compiled on first use, once for
// each adapter shape (modules, ranks, scales): another adapter of a shape seen
// before is bound, nothing is rebuilt.
//
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attune/status.h"
#include "compute/backend.h"
#include "formats/peft.h"
#include "graph/lora.h"
#include "models/weights.h"

namespace attune {

// An executable of the logits graph with its input slots looked up.
struct LogitsRun {
  std::unique_ptr<Executable> executable;
  std::span<std::int32_t> ids, positions, lo, hi, cache_position, last;
  std::uint64_t bound = 0;  // Which adapter's tensors are bound.
};

struct LossRun {
  std::unique_ptr<Executable> executable;
  std::span<std::int32_t> ids, positions, labels;
  std::span<float> weights;
  std::uint64_t bound = 0;
};

class AdaptedModel {
 public:
  // `weights` and `backend` are not owned. `capacity` is the caches' rows.
  AdaptedModel(const LanguageModelWeights& weights, Backend& backend, const CompileOptions& options,
               std::int64_t capacity);

  const DecoderConfig& config() const { return weights_.config; }
  std::int64_t capacity() const { return capacity_; }

  // Copies the adapter's tensors and puts it in force. On error, which names
  // every module that does not fit the base, nothing has changed.
  Status SetAdapter(const PeftAdapter& adapter);
  void ClearAdapter();
  bool adapted() const { return !tensors_.empty(); }

  // Grows whenever another adapter comes into force: what was computed with an
  // older one is stale.
  std::uint64_t generation() const { return generation_; }

  // Of the adapter in force.
  std::int64_t adapter_bytes() const;

  // Frees executables and caches; what is needed again is made again.
  void DropExecutables();

  // Ready to run with the adapter in force; valid until the adapter changes.
  // All logits runs share the caches, which they change.
  Result<LogitsRun*> Logits(std::int64_t tokens);
  Result<LossRun*> Loss(std::int64_t length);

  // How many executables were compiled so far.
  std::int64_t compiled() const { return compiled_; }

 private:
  // The executables of one adapter shape, by tokens a run.
  struct ShapeRuns {
    std::map<std::int64_t, LogitsRun> logits;
    std::map<std::int64_t, LossRun> loss;
  };

  Result<std::unique_ptr<Executable>> Compile(Graph graph);
  Result<LogitsRun> CompileLogits(std::int64_t tokens);
  Result<LossRun> CompileLoss(std::int64_t length);
  Status BindAdapter(Executable& executable, std::uint64_t* bound);
  Status BindCaches(Executable& executable);

  const LanguageModelWeights& weights_;
  Backend& backend_;
  const CompileOptions options_;
  const std::int64_t capacity_;
  std::map<std::string, Tensor> caches_;

  LoraSpec spec_;                          // Of the adapter in force.
  std::string shape_key_;                  // Of spec_; empty without an adapter.
  std::map<std::string, Tensor> tensors_;  // A and B by parameter name.
  std::uint64_t generation_ = 1;
  std::int64_t compiled_ = 0;
  std::map<std::string, ShapeRuns> runs_;
};

}  // namespace attune
