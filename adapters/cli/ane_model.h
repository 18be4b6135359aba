// What `attune ane compile` compiles: a model from the disk, or random weights of a
// published shape, and the graph of one run of it.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attune/status.h"
#include "formats/decoder_config.h"
#include "graph/graph.h"
#include "models/weights.h"
#include "ports/file_system.h"

namespace CLI {
class App;
}

namespace attune {

// stories260k, stories15m, stories110m, gpt2-124m, llama-82m.
//
//   kInvalidArgument  lists the names that are known
Result<DecoderConfig> ShapeNamed(const std::string& name);

struct AneModelOptions {
  std::string model;  // A path, or:
  std::string shape;

  // One of: a training step (LoRA, or every weight), N tokens into caches, one token.
  bool full = false;
  std::int64_t prefill = 0;
  bool decode = false;

  std::int64_t rank = 8;
  double alpha = 16;
  std::vector<std::string> targets = {"all-linear"};
  std::int64_t batch = 1;
  std::int64_t sequence = 256;
  std::int64_t context = 256;  // Rows of the caches.

  bool training() const { return prefill == 0 && !decode; }
};
void AddAneModelOptions(CLI::App* app, AneModelOptions* options);

Result<LanguageModelWeights> OpenAneModel(FileSystem& files, const AneModelOptions& options);

// What a run of it is: "LoRA step, rank 8, 1 x 256 tokens".
std::string DescribeRun(const AneModelOptions& options);

// Frozen parameters of the graph are in `base`.
Result<Graph> BuildAneGraph(const LanguageModelWeights& base, const AneModelOptions& options);

}  // namespace attune
