#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "cli/commands.h"
#include "cli/json_line.h"
#include "formats/peft.h"
#include "formats/safetensors.h"
#include "models/weights.h"
#include "platform/platform.h"
#include "session/dataset.h"
#include "session/platform.h"
#include "session/training_checkpoint.h"
#include "train/digest.h"

namespace attune {
namespace {

// What was found out, in the order it is printed.
class Findings {
 public:
  void Add(const std::string& key, std::string value) {
    text_.emplace_back(key, value);
    line_.Add(key, value);
  }
  void Add(const std::string& key, std::int64_t value) {
    text_.emplace_back(key, StrCat(value));
    line_.Add(key, value);
  }
  void Add(const std::string& key, double value) {
    text_.emplace_back(key, StrCat(value));
    line_.Add(key, value);
  }

  void Print(bool json) {
    if (json) {
      line_.Print();
      return;
    }
    for (const auto& [key, value] : text_) std::printf("%-18s %s\n", key.c_str(), value.c_str());
  }

 private:
  std::vector<std::pair<std::string, std::string>> text_;
  JsonLine line_;
};

// A 64-bit mix against mistakes, not against forgery; not SHA-256.
constexpr const char* kHashKey = "fingerprint64";

Status InspectModel(FileSystem& files, const std::string& path, Findings* out) {
  ATTUNE_ASSIGN_OR_RETURN(const LanguageModelWeights model, LoadModel(files, path));
  const DecoderConfig& config = model.config;
  out->Add("kind", "model");
  out->Add("family", std::string(DecoderFamilyName(config.family)));
  out->Add("parameters", model.parameters);
  out->Add("weights", std::string(DTypeName(model.dtype)));
  out->Add("bytes", model.mapped_bytes + model.copied_bytes);
  out->Add("layers", config.layers);
  out->Add("hidden", config.hidden);
  out->Add("intermediate", config.intermediate);
  out->Add("heads", config.heads);
  out->Add("kv_heads", config.kv_heads);
  out->Add("head_dim", config.head_dim);
  out->Add("vocabulary", config.vocabulary);
  out->Add("max_positions", config.max_positions);
  out->Add("tied_embeddings", std::string(config.tied_embeddings ? "yes" : "no"));
  out->Add(kHashKey, HexOf(Fingerprint(model.views)));
  return OkStatus();
}

std::string Describe(const TargetModules& targets) {
  if (const auto* names = std::get_if<TargetNames>(&targets)) return StrJoin(*names, ", ");
  if (const auto* regex = std::get_if<TargetRegex>(&targets)) return regex->pattern;
  return "all-linear";
}

Status InspectAdapter(FileSystem& files, const std::string& path, Findings* out) {
  ATTUNE_ASSIGN_OR_RETURN(const PeftAdapter adapter, ReadPeftAdapter(files, path));
  WeightViews views;
  std::int64_t parameters = 0, bytes = 0;
  for (const auto& [name, pair] : adapter.modules) {
    views[name + ".A"] = pair.a;
    views[name + ".B"] = pair.b;
    parameters += pair.a.shape.elements() + pair.b.shape.elements();
    bytes += pair.a.bytes() + pair.b.bytes();
  }
  out->Add("kind", "adapter");
  out->Add("rank", adapter.config.rank);
  out->Add("alpha", adapter.config.alpha);
  out->Add("rslora", std::string(adapter.config.use_rslora ? "yes" : "no"));
  out->Add("targets", Describe(adapter.config.target_modules));
  out->Add("modules", static_cast<std::int64_t>(adapter.modules.size()));
  out->Add("parameters", parameters);
  out->Add("bytes", bytes);
  if (!views.empty()) out->Add("weights", std::string(DTypeName(views.begin()->second.dtype)));
  for (const auto& [key, value] : adapter.metadata) {
    if (key.starts_with("attune.")) out->Add(key, value);
  }
  out->Add(kHashKey, HexOf(Fingerprint(views)));
  return OkStatus();
}

Status InspectTensors(FileSystem& files, const std::string& path, Findings* out) {
  ATTUNE_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(files, path));
  std::map<std::string, std::int64_t> types;
  std::int64_t bytes = 0;
  for (const SafetensorsEntry& entry : file.entries()) {
    ++types[entry.dtype];
    bytes += static_cast<std::int64_t>(entry.end - entry.begin);
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string all, files.Read(path, ~std::uint64_t{0}));
  Fnv1a hash;
  hash.Add(all);
  out->Add("kind", "tensors");
  out->Add("tensors", static_cast<std::int64_t>(file.entries().size()));
  for (const auto& [type, count] : types) out->Add(type, count);
  out->Add("bytes", bytes);
  out->Add(kHashKey, HexOf(hash.value()));
  return OkStatus();
}

Status InspectData(FileSystem& files, const std::string& path, Findings* out) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string bytes, files.Read(path, kMaxDatasetBytes));
  ATTUNE_ASSIGN_OR_RETURN(const Dataset data, ParseDataset(bytes, BaseName(path)));
  Fnv1a hash;
  hash.Add(std::string_view(bytes));
  out->Add("kind", "data");
  out->Add("format", std::string(DataFormatName(data.format)));
  out->Add("messages", static_cast<std::int64_t>(data.messages.size()));
  out->Add("bytes", static_cast<std::int64_t>(data.bytes));
  if (!data.messages.back().when.empty()) {
    out->Add("first", data.messages.front().when);
    out->Add("last", data.messages.back().when);
  }
  out->Add(kHashKey, HexOf(hash.value()));
  return OkStatus();
}

Status InspectPath(FileSystem& files, const std::string& path, Findings* out) {
  if (!files.Exists(path)) return NotFound(StrCat(BaseName(path), ": no such file or directory"));
  if (files.IsDirectory(path)) {
    const bool adapter = files.Exists(JoinPath(path, "adapter_config.json"));
    return adapter ? InspectAdapter(files, path, out) : InspectModel(files, path, out);
  }
  if (path.ends_with(".bin")) return InspectModel(files, path, out);
  if (path.ends_with(".safetensors")) return InspectTensors(files, path, out);
  return InspectData(files, path, out);
}

}  // namespace

void AddInspectCommand(CLI::App* app, Action* action) {
  struct Arguments {
    std::string path;
    bool json = false;
  };
  CLI::App* command = app->add_subcommand("inspect", "Say what a model, adapter or data file is");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("path", arguments->path, "Directory or file")->required();
  command->add_flag("--json", arguments->json, "One JSON object");
  command->callback([arguments, action] {
    *action = [arguments]() -> Result<ExitCode> {
      const DefaultPlatform platform(1);
      Findings findings;
      ATTUNE_RETURN_IF_ERROR(InspectPath(*platform.get().files, arguments->path, &findings));
      findings.Print(arguments->json);
      return ExitCode::kOk;
    };
  });
}

}  // namespace attune
