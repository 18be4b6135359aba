#include "train/evaluate.h"

#include <cmath>

#include "graph/passes/passes.h"
#include "train/bucket_graph.h"
#include "train/feeds.h"
#include "train/predict.h"

namespace attune {

struct Evaluator::Bucket {
  std::unique_ptr<Executable> executable;
  LossFeeds feeds;
};

double Evaluation::perplexity() const { return std::exp(loss()); }

Evaluator::Evaluator(Sampler sampler) : sampler_(std::move(sampler)), batch_(sampler_.NewBatch()) {}
Evaluator::~Evaluator() = default;

namespace {

Result<Sampler> InOrder(const SamplerConfig& config, std::vector<TrainingExample> examples) {
  SamplerConfig in_order = config;
  in_order.shuffle = false;
  return Sampler::Create(std::move(examples), in_order);
}

Result<Graph> ForwardGraph(const TrainerParts& parts, const BatchShape& shape) {
  ATTUNE_ASSIGN_OR_RETURN(Graph graph, parts.build(shape));
  Optimize(&graph);
  return graph;
}

}  // namespace

Result<std::int64_t> Evaluator::PredictBytes(const TrainerParts& parts,
                                             const SamplerConfig& sampler,
                                             const CompileOptions& options,
                                             const std::vector<TrainingExample>& examples) {
  ATTUNE_ASSIGN_OR_RETURN(const Sampler laid_out, InOrder(sampler, examples));
  std::int64_t bytes = 0;
  for (const BatchShape& shape : laid_out.shapes()) {
    ATTUNE_ASSIGN_OR_RETURN(const Graph graph, ForwardGraph(parts, shape));
    ATTUNE_ASSIGN_OR_RETURN(const MemoryReport report,
                            PredictProgram(*parts.backend, graph, parts.frozen, options));
    bytes += report.private_bytes();
  }
  return bytes;
}

Result<std::unique_ptr<Evaluator>> Evaluator::Create(const TrainerParts& parts,
                                                     const SamplerConfig& sampler,
                                                     const CompileOptions& options,
                                                     std::vector<TrainingExample> examples) {
  ATTUNE_ASSIGN_OR_RETURN(Sampler laid_out, InOrder(sampler, std::move(examples)));
  auto evaluator = std::unique_ptr<Evaluator>(new Evaluator(std::move(laid_out)));
  for (const BatchShape& shape : evaluator->sampler_.shapes()) {
    ATTUNE_ASSIGN_OR_RETURN(const Graph graph, ForwardGraph(parts, shape));
    auto bucket = std::make_unique<Bucket>();
    ATTUNE_ASSIGN_OR_RETURN(bucket->executable,
                            parts.backend->Compile(graph, parts.frozen, options));
    ATTUNE_ASSIGN_OR_RETURN(bucket->feeds, LossFeeds::Find(*bucket->executable, shape));
    evaluator->buckets_.push_back(std::move(bucket));
  }
  return evaluator;
}

Status Evaluator::Bind(std::string_view name, std::span<float> storage) {
  for (auto& bucket : buckets_) {
    ATTUNE_RETURN_IF_ERROR(bucket->executable->Bind(name, std::as_writable_bytes(storage)));
  }
  return OkStatus();
}

Status Evaluator::BindAll(TrainingState* state) {
  for (std::size_t i = 0; i < state->trainables().size(); ++i) {
    ATTUNE_RETURN_IF_ERROR(Bind(state->trainables()[i].name, state->parameter(i)));
  }
  return OkStatus();
}

// Adds what `batch_` loses.
Status Evaluator::RunBatch(Evaluation* sum) {
  Bucket& bucket = *buckets_[static_cast<std::size_t>(batch_.shape)];
  bucket.feeds.Write(batch_, 1.0f);
  ATTUNE_RETURN_IF_ERROR(bucket.executable->Run());
  ATTUNE_ASSIGN_OR_RETURN(const TensorView loss, bucket.executable->Output(kLossOutput));
  sum->nats += static_cast<double>(loss.f32()[0]);
  sum->labels += batch_.labels;
  return OkStatus();
}

Result<Evaluation> Evaluator::Run(const std::function<bool()>& go_on) {
  ATTUNE_RETURN_IF_ERROR(sampler_.Seek({0, 0}));
  Evaluation sum;
  for (std::int64_t i = 0; i < sampler_.epoch_size(); ++i) {
    if (go_on && !go_on()) return Cancelled("evaluation stopped");
    sampler_.Next(&batch_);
    ATTUNE_RETURN_IF_ERROR(RunBatch(&sum));
  }
  return sum;
}

Result<std::vector<Evaluation>> Evaluator::RunEach(const std::function<bool()>& go_on) {
  std::vector<Evaluation> each(sampler_.examples().size());
  for (std::size_t i = 0; i < each.size(); ++i) {
    if (go_on && !go_on()) return Cancelled("evaluation stopped");
    sampler_.Fill(static_cast<std::int64_t>(i), &batch_);
    ATTUNE_RETURN_IF_ERROR(RunBatch(&each[i]));
  }
  return each;
}

}  // namespace attune
