#include "cli/message_loss.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "formats/peft.h"
#include "models/weights.h"
#include "session/adapted_model.h"
#include "session/model_tokenizer.h"
#include "session/platform.h"
#include "session/prefill.h"
#include "text/tokenizer.h"
#include "train/examples.h"
#include "vault/adapter_store.h"
#include "vault/vault.h"

namespace attune {
namespace {

void Fill(const TrainingExample& example, const LossRun& run) {
  const auto rows = static_cast<std::int64_t>(example.ids.size()) - 1;
  for (std::size_t i = 0; i < run.ids.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const bool real = row < rows;
    run.ids[i] = real ? example.ids[i] : 0;
    run.labels[i] = real ? example.ids[i + 1] : 0;
    run.positions[i] = static_cast<std::int32_t>(i);
    run.weights[i] = real && row + 1 >= example.first_label ? 1.0f : 0.0f;
  }
}

Result<double> NatsOf(AdaptedModel& model, const TrainingExample& example) {
  const auto rows = static_cast<std::int64_t>(example.ids.size()) - 1;
  const std::int64_t length = std::min(std::max(CoveringRunSize(rows), rows), model.capacity());
  ATTUNE_ASSIGN_OR_RETURN(LossRun * run, model.Loss(length));
  Fill(example, *run);
  ATTUNE_RETURN_IF_ERROR(run->executable->Run());
  ATTUNE_ASSIGN_OR_RETURN(const TensorView loss, run->executable->Output("loss"));
  return static_cast<double>(loss.f32()[0]);
}

// Puts what the vault serves in force, if that is not the bare base.
Status SetServingAdapter(const Platform& platform, const VaultFlags& flags,
                         const LanguageModelWeights& weights, AdaptedModel* model) {
  const VaultPorts ports{platform.files, platform.keys, platform.crypto, platform.clock};
  ATTUNE_ASSIGN_OR_RETURN(const auto vault, Vault::Open(ports, {.directory = flags.directory}));
  AdapterStoreOptions options{.adapter = flags.adapter};
  ATTUNE_ASSIGN_OR_RETURN(options.base, HashOf(*platform.crypto, weights.views));
  AdapterStore store(*vault, options);
  ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration serving, store.LoadServing());
  if (serving.entry.generation == 0) return OkStatus();
  ATTUNE_ASSIGN_OR_RETURN(const PeftAdapter adapter,
                          ParsePeftAdapter({.config = std::move(serving.files.config),
                                            .weights = std::move(serving.files.weights)}));
  return model->SetAdapter(adapter);
}

}  // namespace

Result<MessageLoss> MeasureMessages(const Platform& platform, const ModelOptions& options,
                                    const std::vector<Message>& messages,
                                    const std::function<bool()>& go_on) {
  FileSystem& files = *platform.files;
  ATTUNE_ASSIGN_OR_RETURN(const LanguageModelWeights weights, LoadModel(files, options.model));
  ATTUNE_ASSIGN_OR_RETURN(
      const auto tokenizer,
      OpenModelTokenizer(files, options.model, options.tokenizer, weights.config));
  CompileOptions compile;
  compile.pack_weights = options.compute.pack;
  if (options.compute.arithmetic() == Arithmetic::kBf16) compile.precision = Precision::kBf16;
  const std::int64_t window = std::min(options.context, weights.config.max_positions);
  AdaptedModel model(weights, *platform.backend, compile, window);
  if (!options.adapter.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(const PeftAdapter adapter, ReadPeftAdapter(files, options.adapter));
    ATTUNE_RETURN_IF_ERROR(model.SetAdapter(adapter).WithContext(BaseName(options.adapter)));
  }
  if (!options.vault.directory.empty()) {
    ATTUNE_RETURN_IF_ERROR(SetServingAdapter(platform, options.vault, weights, &model));
  }
  ATTUNE_ASSIGN_OR_RETURN(const auto examples, EncodeMessages(*tokenizer, messages, window + 1));
  MessageLoss loss;
  for (const TrainingExample& example : examples) {
    if (!go_on()) return Cancelled("measuring the loss stopped");
    ATTUNE_ASSIGN_OR_RETURN(const double nats, NatsOf(model, example));
    loss.nats += nats;
    loss.tokens += example.labels();
  }
  if (loss.tokens > 0) return loss;
  return InvalidArgument(StrCat(messages.size(), " messages, none of 2 tokens"));
}

}  // namespace attune
