// What an engine::Model is made of: the trained parameters and a program for each shape
// of batch.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attune/engine.h"
#include "compute/backend.h"
#include "formats/peft.h"
#include "graph/lora.h"
#include "models/weights.h"
#include "session/platform.h"
#include "text/tokenizer.h"
#include "train/feeds.h"
#include "train/loss_scale.h"
#include "train/trainer.h"
#include "train/training_state.h"

namespace attune::engine {

class Model::Impl {
 public:
  static Result<std::unique_ptr<Impl>> Load(const Platform& platform, const std::string& path,
                                            const LoadOptions& options);

  std::span<const Parameter> parameters() const { return parameters_; }
  Result<Batch> Encode(const std::vector<std::string>& texts);
  Result<double> Run(const Batch& batch, bool with_gradients, std::int64_t* labels,
                     std::size_t* program);
  Status AddGradients(std::size_t program);
  void ZeroGrad();
  Status LoadPeft(const std::string& directory);
  Status SavePeft(const std::string& directory);

  const Platform& platform() const { return platform_; }
  TrainingState& state() { return *state_; }
  // By parameter.
  std::span<float> gradient(std::size_t index);
  LossScale& loss_scale() { return loss_scale_; }
  std::int64_t compiled() const { return static_cast<std::int64_t>(programs_.size()); }
  std::int64_t runs() const { return runs_; }
  // Those of the last run with gradients.
  bool gradients_added() const { return added_run_ == runs_; }

 private:
  // One shape, with or without gradients.
  struct Program {
    BatchShape shape;
    bool with_gradients = false;
    std::unique_ptr<Executable> executable;
    LossFeeds feeds;
    std::span<float> loss_seed;  // Empty without gradients.
  };

  explicit Impl(const Platform& platform) : platform_(platform) {}
  Status Prepare(const std::string& path, const LoadOptions& options);
  void MakeParameters(std::vector<Trainable> trainables);
  Result<BatchShape> ShapeOf(const Batch& batch) const;
  Result<std::size_t> ProgramFor(const BatchShape& shape, bool with_gradients);
  // Rows and tails without a token carry weight 0.
  void FillBatch(const Batch& batch, const BatchShape& shape);

  Platform platform_;
  std::string path_, tokenizer_path_;
  CompileOptions compile_;
  LanguageModelWeights base_;
  PeftConfig peft_;
  LoraSpec lora_;
  TrainerParts parts_;
  std::unique_ptr<Tokenizer> tokenizer_;  // Opened when first needed.
  std::unique_ptr<TrainingState> state_;
  LossScale loss_scale_{LossScaleConfig{}};
  Tensor gradients_;
  std::vector<std::int64_t> gradient_offsets_;
  bool gradients_empty_ = true;
  std::vector<Parameter> parameters_;
  std::vector<Program> programs_;
  MicroBatch feed_;
  std::int64_t runs_ = 0;
  std::int64_t added_run_ = 0;  // The run whose gradients AddGradients() took last.
};

}  // namespace attune::engine
