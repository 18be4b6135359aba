// PEFT's LoRA directory: adapter_config.json and adapter_model.safetensors.
//
// Reading is stricter than PEFT: whatever changes the maths and is not supported
// is refused (kUnsupported) by key, and every tensor must belong to a complete
// pair of the rank that the configuration says; otherwise one error lists all
// offenders. Unknown keys are ignored, as PEFT does.
// Keys that only say which modules to adapt (exclude_modules, layers_to_transform,
// layers_pattern) are not kept: the tensors say it.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "attune/status.h"
#include "formats/named_tensors.h"
#include "formats/safetensors.h"
#include "ports/file_system.h"
#include "tensor/tensor.h"

namespace attune {

// Modules whose name is an entry or ends with "." + entry.
using TargetNames = std::vector<std::string>;
// Modules whose whole name matches the regular expression.
struct TargetRegex {
  std::string pattern;
};
// Every linear layer but the output head.
struct TargetAllLinear {};
using TargetModules = std::variant<TargetNames, TargetRegex, TargetAllLinear>;

struct PeftConfig {
  std::int64_t rank = 8;
  double alpha = 8.0;
  double dropout = 0.0;
  bool use_rslora = false;  // Scale by alpha / sqrt(rank), not alpha / rank.
  // Base weights are [in, out] (GPT-2's Conv1D). A and B are not affected.
  bool fan_in_fan_out = false;
  TargetModules target_modules = TargetNames{};

  // Rank and alpha of particular modules: the first pattern that matches the
  // module's name or its end after a "." wins. Plain names, optionally with a
  // leading "^" (the whole name) and "\." for "."; real regular expressions are
  // refused.
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;

  std::optional<std::string> base_model;  // Hub id, never a path of this machine.
  std::optional<std::string> revision;
  std::optional<std::string> task_type = "CAUSAL_LM";

  std::int64_t RankOf(std::string_view module) const;
  double AlphaOf(std::string_view module) const;
  // What (x A^T) B^T is multiplied by: alpha / rank or alpha / sqrt(rank).
  double ScaleOf(std::string_view module) const;
};

Result<PeftConfig> ParsePeftConfig(std::string_view json);
// adapter_config.json as PEFT writes it: all keys, sorted, indented by 2.
// REQUIRES: finite numbers.
std::string FormatPeftConfig(const PeftConfig& config);

// The adapter of one linear module: y += scale * (x A^T) B^T.
struct LoraPair {
  TensorView a;  // [rank, in]
  TensorView b;  // [out, rank]
  double scale = 1.0;
};

struct PeftAdapter {
  PeftConfig config;
  // By module name, e.g. "model.layers.0.self_attn.q_proj". Views are valid while
  // `tensors` or a copy of it lives.
  std::map<std::string, LoraPair> modules;
  SafetensorsMetadata metadata;
  NamedTensors tensors;
};

// The two files of an adapter, by their bytes.
struct PeftFiles {
  std::string config;   // adapter_config.json
  std::string weights;  // adapter_model.safetensors
};

//   kDataLoss     tensors missing, unknown, misshaped or not finite
//   kUnsupported  something that changes the maths; a dtype but F32, F16, BF16
Result<PeftAdapter> ParsePeftAdapter(PeftFiles files);

// The same of a directory.
//
//   kNotFound  no adapter_config.json or adapter_model.safetensors
Result<PeftAdapter> ReadPeftAdapter(FileSystem& fs, const std::string& directory);

// `provenance` goes to the metadata of the safetensors file. The pairs' scales
// are ignored: `config` says them.
//
//   kInvalidArgument  a pair's shapes contradict each other or `config`
Result<PeftFiles> FormatPeftAdapter(const PeftConfig& config,
                                    const std::map<std::string, LoraPair>& modules,
                                    const SafetensorsMetadata& provenance = {});

// Writes both files, the configuration last: what has one is complete.
Status WritePeftAdapter(FileSystem& fs, const std::string& directory, const PeftFiles& files);

// "model.norm" -> "base_model.model.model.norm.lora_A.weight".
std::string PeftTensorName(std::string_view module, char matrix);
// The inverse; nothing for a name of another form. `matrix` is 'A' or 'B'.
struct PeftName {
  std::string module;
  char matrix;
};
std::optional<PeftName> ParsePeftName(std::string_view tensor);

}  // namespace attune
