// Evaluation: the mean negative log-likelihood of examples, by the forward half
// of a loss graph.
//
// Threads: use from one at a time.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "train/trainer.h"

namespace attune {

struct Evaluation {
  double nats = 0;  // Negative log-likelihood of all labels together.
  std::int64_t labels = 0;
  double loss() const { return labels == 0 ? 0 : nats / static_cast<double>(labels); }
  double perplexity() const;
};

class Evaluator {
 public:
  // Compiles one forward program a shape. `sampler.shuffle` is ignored: every
  // example counts once.
  static Result<std::unique_ptr<Evaluator>> Create(const TrainerParts& parts,
                                                   const SamplerConfig& sampler,
                                                   const CompileOptions& options,
                                                   std::vector<TrainingExample> examples);

  // Private memory that Create() would take.
  static Result<std::int64_t> PredictBytes(const TrainerParts& parts, const SamplerConfig& sampler,
                                           const CompileOptions& options,
                                           const std::vector<TrainingExample>& examples);

  ~Evaluator();
  Evaluator(const Evaluator&) = delete;
  Evaluator& operator=(const Evaluator&) = delete;

  // Makes the programs read a trainable parameter there; see Executable::Bind().
  // Every trainable parameter must be bound before Run().
  Status Bind(std::string_view name, std::span<float> storage);
  // Binds all parameters of `state`, which must outlive this object.
  Status BindAll(TrainingState* state);

  // Asks `go_on` before each micro-batch: false ends it with kCancelled.
  Result<Evaluation> Run(const std::function<bool()>& go_on = nullptr);
  // Of each example by itself, in their order; together they are what Run() says.
  // REQUIRES: bucketed, with one row a micro-batch.
  Result<std::vector<Evaluation>> RunEach(const std::function<bool()>& go_on = nullptr);

 private:
  struct Bucket;
  explicit Evaluator(Sampler sampler);
  Status RunBatch(Evaluation* sum);

  Sampler sampler_;
  MicroBatch batch_;
  std::vector<std::unique_ptr<Bucket>> buckets_;
};

}  // namespace attune
