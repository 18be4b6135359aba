#include "models/decoder.h"

#include <cmath>
#include <optional>
#include <utility>

#include "base/checked_math.h"
#include "base/strings.h"
#include "graph/builder.h"
#include "models/decoder_names.h"
#include "models/rope_table.h"

namespace attune {
namespace {

// What the two graphs do differently from block to block.
struct Attending {
  AttentionAttrs attrs;
  std::int64_t rows = 0;
  std::int64_t table_rows = 0;  // Positions the RoPE table covers.
  std::int64_t cache_rows = 0;  // 0: no cache.
  bool trainable = false;
};

std::optional<UnaryFunction> UnaryOf(Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return UnaryFunction::kSilu;
    case Activation::kGeluErf:
      return UnaryFunction::kGelu;
    case Activation::kGeluTanh:
      return UnaryFunction::kGeluTanh;
    case Activation::kRelu:
      return UnaryFunction::kRelu;
    case Activation::kQuickGelu:
      break;
  }
  return std::nullopt;
}

class DecoderBuilder {
 public:
  DecoderBuilder(const DecoderConfig& config, const WeightViews& weights,
                 const Attending& attending)
      : config_(config), weights_(weights), attending_(attending), builder_(&graph_) {}

  ValueId Ints(const char* name, std::int64_t count) {
    return graph_.AddInput(name, {DType::kI32, {count}});
  }
  ValueId Floats(const char* name, std::int64_t count) {
    return graph_.AddInput(name, {DType::kF32, {count}});
  }

  // The residual stream after the last norm: one row a token.
  ValueId Hidden() {
    ValueId x = EmbedTokens();
    if (attending_.cache_rows != 0) cache_position_ = Ints("cache_position", 1);
    if (attending_.attrs.mask == AttentionMask::kBounded) {
      lo_ = Ints("lo", attending_.rows);
      hi_ = Ints("hi", attending_.rows);
    }
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) x = Block(layer, x);
    return Norm(x, NamesOf(config_).final_norm);
  }

  ValueId HeadWeight() { return Parameter(NamesOf(config_).head + ".weight"); }

  GraphBuilder& builder() { return builder_; }

  Result<Graph> Take() {
    ATTUNE_RETURN_IF_ERROR(status_);
    ATTUNE_RETURN_IF_ERROR(builder_.status());
    return std::move(graph_);
  }

  void Output(std::string name, ValueId value) {
    if (value != kNoValue) graph_.AddOutput(std::move(name), value);
  }

 private:
  bool gpt2() const { return config_.family == DecoderFamily::kGpt2; }

  // The parameter of that name; a second mention is the same value.
  ValueId Parameter(const std::string& name) {
    if (const auto leaf = graph_.FindLeaf(name)) return *leaf;
    const auto weight = weights_.find(name);
    if (weight == weights_.end()) {
      if (status_.ok()) status_ = InvalidArgument(StrCat("no weight called ", name));
      return graph_.AddParameter(name, {}, false);
    }
    const DType dtype = attending_.trainable ? DType::kF32 : weight->second.dtype;
    return graph_.AddParameter(name, {dtype, weight->second.shape}, attending_.trainable);
  }

  ValueId EmbedTokens() {
    const DecoderNames names = NamesOf(config_);
    const ValueId ids = Ints("ids", attending_.rows);
    positions_ = Ints("positions", attending_.rows);
    const ValueId x = builder_.Embedding(Parameter(names.token_embedding + ".weight"), ids);
    if (gpt2()) {
      const ValueId table = Parameter(names.position_embedding + ".weight");
      return builder_.Add(x, builder_.Embedding(table, positions_));
    }
    rope_table_ = graph_.AddConstant(
        "rope_table", RopeTable(config_.rope, attending_.table_rows, config_.head_dim));
    return x;
  }

  ValueId Norm(ValueId x, const std::string& module) {
    const auto epsilon = static_cast<float>(config_.norm_epsilon);
    const ValueId weight = Parameter(module + ".weight");
    if (!gpt2()) return builder_.RmsNorm(x, weight, epsilon);
    return builder_.LayerNorm(x, weight, Parameter(module + ".bias"), epsilon);
  }

  ValueId Linear(ValueId x, const std::string& module, bool bias) {
    return builder_.Linear(x, Parameter(module + ".weight"),
                           bias ? Parameter(module + ".bias") : kNoValue, {.transposed = gpt2()},
                           module);
  }

  ValueId Block(std::int64_t layer, ValueId x) {
    const DecoderLayerNames names = LayerNamesOf(config_, layer);
    x = builder_.Add(x, Attention(layer, names, Norm(x, names.attention_norm)));
    return builder_.Add(x, Mlp(names, Norm(x, names.mlp_norm)));
  }

  ValueId Attention(std::int64_t layer, const DecoderLayerNames& names, ValueId x) {
    auto [q, k, v] = QueryKeyValue(names, x);
    q = Rope(HeadNorm(q, names.query_norm));
    k = Rope(HeadNorm(k, names.key_norm));
    if (attending_.cache_rows != 0) {
      k = Cached(layer, 'k', k);
      v = Cached(layer, 'v', v);
    }
    const ValueId mixed = builder_.Attention(q, k, v, attending_.attrs, lo_, hi_);
    return Linear(mixed, names.attention_output, config_.output_bias);
  }

  struct Projections {
    ValueId q, k, v;
  };
  Projections QueryKeyValue(const DecoderLayerNames& names, ValueId x) {
    if (gpt2()) {
      const auto parts = builder_.Split(Linear(x, names.qkv, config_.qkv_bias), 3);
      return {parts[0], parts[1], parts[2]};
    }
    return {Linear(x, names.query, config_.qkv_bias), Linear(x, names.key, config_.qkv_bias),
            Linear(x, names.value, config_.qkv_bias)};
  }

  // Qwen3 normalises each head by itself: rows of head_dim.
  ValueId HeadNorm(ValueId x, const std::string& module) {
    if (module.empty() || !builder_.status().ok()) return x;
    const Shape shape = graph_.shape(x);
    const ValueId heads =
        builder_.Reshape(x, {shape.elements() / config_.head_dim, config_.head_dim});
    return builder_.Reshape(Norm(heads, module), shape);
  }

  ValueId Rope(ValueId x) {
    if (gpt2()) return x;
    const auto layout =
        config_.rope.interleaved ? RopeLayout::kInterleaved : RopeLayout::kRotateHalf;
    return builder_.Rope(x, positions_, rope_table_,
                         {.head_dim = config_.head_dim, .layout = layout});
  }

  ValueId Cached(std::int64_t layer, char which, ValueId x) {
    const std::string name = CacheName(layer, which);
    const ValueId cache = graph_.AddInput(
        name, {DType::kF32, {attending_.cache_rows, config_.kv_heads * config_.head_dim}});
    const ValueId updated = builder_.CacheAppend(cache, x, cache_position_);
    Output(name, updated);  // As an output, no pass can drop the write.
    return updated;
  }

  ValueId Mlp(const DecoderLayerNames& names, ValueId x) {
    const auto function = UnaryOf(config_.activation);
    if (!function) {
      if (status_.ok()) status_ = Unsupported("activation quick_gelu");
      return x;
    }
    const ValueId up = Linear(x, names.up, config_.mlp_bias);
    if (names.gate.empty()) {
      return Linear(builder_.Unary(*function, up), names.down, config_.mlp_bias);
    }
    const ValueId gate = Linear(x, names.gate, config_.mlp_bias);
    const ValueId gated = *function == UnaryFunction::kSilu
                              ? builder_.SwiGlu(gate, up)
                              : builder_.Mul(builder_.Unary(*function, gate), up);
    return Linear(gated, names.down, config_.mlp_bias);
  }

  const DecoderConfig& config_;
  const WeightViews& weights_;
  const Attending attending_;
  Graph graph_;
  GraphBuilder builder_;
  Status status_;
  ValueId positions_ = kNoValue;
  ValueId rope_table_ = kNoValue;
  ValueId lo_ = kNoValue;
  ValueId hi_ = kNoValue;
  ValueId cache_position_ = kNoValue;
};

AttentionAttrs AttentionOf(const DecoderConfig& config, std::int64_t batch, AttentionMask mask) {
  return {.batch = batch,
          .heads = config.heads,
          .kv_heads = config.kv_heads,
          .head_dim = config.head_dim,
          .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim))),
          .mask = mask};
}

// Every weight is there with its shape; all that are not, in one error.
Status CheckWeights(const DecoderConfig& config, const WeightViews& weights) {
  std::vector<std::string> problems;
  for (const ParameterSpec& spec : DecoderParameters(config)) {
    const auto it = weights.find(spec.name);
    if (it == weights.end()) {
      problems.push_back(spec.name + " is absent");
    } else if (it->second.shape != spec.shape) {
      problems.push_back(StrCat(spec.name, " is ", it->second.shape.ToString(), ", must be ",
                                spec.shape.ToString()));
    }
  }
  return problems.empty() ? OkStatus() : InvalidArgument("weights: " + StrJoin(problems, "; "));
}

Status CheckLength(const DecoderConfig& config, const char* what, std::int64_t length) {
  if (length >= 1 && length <= config.max_positions) return OkStatus();
  return InvalidArgument(
      StrCat(what, " of ", length, ", the model takes 1 to ", config.max_positions));
}

}  // namespace

std::string CacheName(std::int64_t layer, char which) {
  return StrCat("cache.", layer, ".", which);
}

Result<Graph> BuildLossGraph(const DecoderConfig& config, const WeightViews& weights,
                             const LossGraphOptions& options) {
  ATTUNE_RETURN_IF_ERROR(CheckWeights(config, weights));
  ATTUNE_RETURN_IF_ERROR(CheckLength(config, "sequence length", options.length));
  constexpr std::int64_t kMaxRows = std::int64_t{1} << 24;
  const auto rows = CheckedMul(options.batch, options.length);
  if (options.batch < 1 || !rows || *rows > kMaxRows) {
    return InvalidArgument(StrCat("batch of ", options.batch, " by ", options.length,
                                  " tokens, allowed 1 to ", kMaxRows, " tokens"));
  }
  const auto mask = options.packed ? AttentionMask::kBounded : AttentionMask::kCausal;
  DecoderBuilder decoder(config, weights,
                         {.attrs = AttentionOf(config, options.batch, mask),
                          .rows = *rows,
                          .table_rows = options.length,
                          .trainable = options.trainable});
  const ValueId hidden = decoder.Hidden();
  const ValueId labels = decoder.Ints("labels", *rows);
  const ValueId row_weights = decoder.Floats("weights", *rows);
  decoder.Output("loss", decoder.builder().LinearCrossEntropy(hidden, decoder.HeadWeight(), labels,
                                                              row_weights));
  return decoder.Take();
}

Result<Graph> BuildLogitsGraph(const DecoderConfig& config, const WeightViews& weights,
                               const LogitsGraphOptions& options) {
  ATTUNE_RETURN_IF_ERROR(CheckWeights(config, weights));
  ATTUNE_RETURN_IF_ERROR(CheckLength(config, "cache capacity", options.capacity));
  if (options.tokens < 1 || options.tokens > options.capacity) {
    return InvalidArgument(StrCat(options.tokens, " new tokens, a cache of ", options.capacity,
                                  " rows takes 1 to ", options.capacity));
  }
  DecoderBuilder decoder(config, weights,
                         {.attrs = AttentionOf(config, 1, AttentionMask::kBounded),
                          .rows = options.tokens,
                          .table_rows = options.capacity,
                          .cache_rows = options.capacity});
  const ValueId hidden = decoder.Hidden();
  // Only one row is projected: a row gather is an embedding of its index.
  const ValueId row = decoder.builder().Embedding(hidden, decoder.Ints("last", 1));
  decoder.Output("logits", decoder.builder().Linear(row, decoder.HeadWeight()));
  return decoder.Take();
}

}  // namespace attune
