// The step of training taken apart, for who writes a loop of their own:
//
//   auto model = *engine::Model::Load(platform, "base", {.rank = 8});
//   engine::Sgd optimizer(model.get(), {.learning_rate = 1e-3});
//   for (const engine::Batch& batch : batches) {
//     engine::Loss loss = *model->Forward(batch);
//     loss.Backward();
//     optimizer.Step();
//     optimizer.ZeroGrad();
//   }
//   model->SavePeft("adapter");
//
// with the errors looked at. The base stays frozen and mapped from its file; a program
// is compiled for each new shape of batch, and for nothing else.
//
// Determinism: as Personalize(); equal calls give equal bytes on the CPU.
// Threads: a model, its losses and its optimizers together, one at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attune/language_model.h"
#include "attune/status.h"

namespace attune {
struct Platform;
}

namespace attune::engine {

struct LoadOptions {
  // Train every weight instead of an adapter.
  bool full = false;

  // --- The adapter ---

  std::int64_t rank = 8;
  double alpha = 16;
  // Modules by name or end of name; empty: all linears.
  std::vector<std::string> targets{};
  std::uint64_t seed = 0;  // Of A; B starts at 0.

  // --- Besides ---

  // File or directory, for Encode(). Empty: beside the model.
  std::string tokenizer{};
  Arithmetic arithmetic = Arithmetic::kF32;
};

// A tensor that is trained. The views stay where they are as long as the model.
struct Parameter {
  std::string name;  // "model.layers.0.self_attn.q_proj.lora_A.weight".
  std::vector<std::int64_t> shape;
  std::span<float> data;
  // The sum of what Backward() added since ZeroGrad(); not scaled.
  std::span<const float> gradient;
};

// Rows of tokens and what each token should predict; rows may differ in length.
struct Batch {
  std::vector<std::vector<std::int32_t>> ids;
  // As long as `ids`; below 0 where nothing is to be predicted.
  std::vector<std::vector<std::int32_t>> labels;

  // Every token but the first of each row is predicted by those before it.
  static Batch NextToken(const std::vector<std::vector<std::int32_t>>& rows);
};

class Model;

// What Forward() computed.
class Loss {
 public:
  // Mean negative log-likelihood of the labels, in nats.
  double value() const { return value_; }
  std::int64_t labels() const { return labels_; }

  // Adds the gradient of value() to that of every parameter.
  //
  //   kFailedPrecondition  called before, be it on a copy, or the model has run forward
  //                        since
  Status Backward();

 private:
  friend class Model;
  Model* model_ = nullptr;
  double value_ = 0;
  std::int64_t labels_ = 0;
  std::int64_t run_ = 0;  // Of the model's Forward() calls.
  std::size_t program_ = 0;
};

class Model {
 public:
  // Opens a Hugging Face directory or a llama2.c ".bin" file. What `platform` points to
  // must outlive the model.
  //
  //   kNotFound, kDataLoss, kUnsupported  as LanguageModel::Open()
  //   kInvalidArgument  an option out of range, or targets that are no linears
  static Result<std::unique_ptr<Model>> Load(const Platform& platform, const std::string& path,
                                             const LoadOptions& options = {});
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  std::span<const Parameter> parameters() const;

  // Texts as the model sees them, one a row, each between the tokens that begin and end
  // a text.
  //
  //   kNotFound         the model has no tokenizer
  //   kInvalidArgument  a text of more tokens than the model can look at
  Result<Batch> Encode(const std::vector<std::string>& texts);

  // Runs the batch, gradients and all: that is one program. Backward() of the result
  // then only adds them up.
  //
  //   kInvalidArgument  no label, rows of other lengths than their labels', a token
  //                     outside the vocabulary, a row that is too long
  Result<Loss> Forward(const Batch& batch);
  // The loss alone, in about a third of the time.
  Result<double> Evaluate(const Batch& batch);

  void ZeroGrad();

  // Half precision loses small gradients: the loss is multiplied by this power of two
  // on the device and divided again. 1 where arithmetic is wide.
  double loss_scale() const;

  // Takes the parameters of a PEFT directory whose modules and ranks are the model's.
  //
  //   kInvalidArgument     they are others; the first is named
  //   kFailedPrecondition  the model trains every weight
  Status LoadPeft(const std::string& directory);
  Status SavePeft(const std::string& directory) const;

  // Programs made so far; constant once every shape was seen.
  std::int64_t compiled_programs() const;

 private:
  friend class Loss;
  friend class Optimizer;
  class Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct StepResult {
  double gradient_norm = 0;  // Before clipping.
  // Gradients were not finite: nothing has changed but the loss scale, which is half of
  // what it was.
  bool skipped = false;
};

class Optimizer {
 public:
  ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // kInvalidArgument  an option out of range
  Result<StepResult> Step();
  void ZeroGrad();

  void set_learning_rate(double rate);

 protected:
  class Impl;
  explicit Optimizer(std::unique_ptr<Impl> impl);
  static Model::Impl& ImplOf(Model& model) { return *model.impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

struct SgdOptions {
  double learning_rate = 1e-3;
  double momentum = 0;
  double weight_decay = 0;
  double clip_norm = 0;  // Largest norm of all gradients together; 0: any.
};
class Sgd final : public Optimizer {
 public:
  // `model` must outlive it.
  explicit Sgd(Model* model, const SgdOptions& options = {});
};

struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  double clip_norm = 0;
};
class AdamW final : public Optimizer {
 public:
  explicit AdamW(Model* model, const AdamWOptions& options = {});
};

}  // namespace attune::engine
