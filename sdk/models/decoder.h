// Decoder language models (GPT-2, Llama, Qwen2, Qwen3) as graphs. The families
// share one block; they differ in their norms, how queries, keys and values are
// made, and in the feed-forward layer.
//
// Parameters bear the Hugging Face names of decoder_names.h and the dtypes of
// the weights they will be bound to. InjectLora and Differentiate apply to the
// result; nothing here is optimised: run Optimize() last.
//
// Errors: kInvalidArgument (a weight is absent or has another shape, an extent
// out of range; named), kUnsupported (an activation without an op).

#pragma once

#include <cstdint>
#include <string>

#include "attune/status.h"
#include "formats/decoder_config.h"
#include "graph/graph.h"
#include "models/decoder_parameters.h"

namespace attune {

struct LossGraphOptions {
  std::int64_t batch = 1;
  std::int64_t length = 0;  // Tokens of each sequence.
  // Several texts may share a sequence: token t of a sequence attends to its
  // tokens [lo[t], hi[t]) instead of all before it.
  bool packed = false;
  // Every parameter is a trainable f32 input instead of a frozen weight.
  bool trainable = false;
};

// The training and scoring graph. With N = batch * length,
//   inputs   "ids" i32[N], "positions" i32[N] (below `length`),
//            "labels" i32[N]: the token to predict at each row, i.e. the next
//            one; "weights" f32[N]: 0 where nothing is to be predicted;
//            packed: "lo", "hi" i32[N]
//   outputs  "loss" f32[1]: sum of weights * -log p(label). The caller
//            normalises through the weights.
Result<Graph> BuildLossGraph(const DecoderConfig& config, const WeightViews& weights,
                             const LossGraphOptions& options);

struct LogitsGraphOptions {
  std::int64_t tokens = 1;    // New tokens of a run, n.
  std::int64_t capacity = 0;  // Rows of each cache, P.
};

// The inference graph: n new tokens after those already in the caches.
//   inputs   "ids" i32[n], "positions" i32[n] (below P), "lo", "hi" i32[n]: the
//            cache rows each token attends to; "cache_position" i32[1]: the row
//            of the first new token, at most P - n; "last" i32[1]: the new token
//            whose logits are wanted;
//            "cache.<layer>.k", "cache.<layer>.v" f32[P, kv_heads * head_dim]
//   outputs  "logits" f32[1, vocabulary], and the updated caches under their
//            names, which share the storage bound to the inputs
Result<Graph> BuildLogitsGraph(const DecoderConfig& config, const WeightViews& weights,
                               const LogitsGraphOptions& options);

// "cache.<layer>.k" or "cache.<layer>.v".
std::string CacheName(std::int64_t layer, char which);

}  // namespace attune
