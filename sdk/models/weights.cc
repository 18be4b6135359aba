#include "models/weights.h"

#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "formats/hf_config.h"
#include "formats/json.h"
#include "formats/llama2c.h"
#include "formats/safetensors.h"
#include "models/decoder_names.h"

namespace attune {
namespace {

constexpr std::string_view kGpt2Prefix = "transformer.";

// Buffers and duplicates that files carry besides the parameters.
bool IsIgnorable(const DecoderConfig& config, std::string_view name) {
  if (name == "lm_head.weight") return config.tied_embeddings;
  if (config.family == DecoderFamily::kGpt2) {
    return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
  }
  return name.ends_with(".rotary_emb.inv_freq");
}

class Importer {
 public:
  explicit Importer(LanguageModelWeights* model) : model_(*model) {}

  Status Run() {
    for (const ParameterSpec& spec : DecoderParameters(model_.config)) Import(spec);
    for (const std::string& name : model_.files.names()) {
      if (!used_.contains(name) && !IsIgnorable(model_.config, name)) {
        problems_.push_back(Quoted(name) + " is left over");
      }
    }
    if (!problems_.empty()) {
      return InvalidArgument(StrCat(
          problems_.size(), " tensors do not fit the configuration: ", StrJoin(problems_, "; ")));
    }
    const std::string table = NamesOf(model_.config).token_embedding + ".weight";
    model_.dtype = model_.views.find(table)->second.dtype;
    return OkStatus();
  }

 private:
  // The file's name for the parameter.
  std::string SourceName(const std::string& name) const {
    const bool bare = model_.config.family == DecoderFamily::kGpt2 && !model_.files.Has(name);
    return bare ? name.substr(kGpt2Prefix.size()) : name;
  }

  void Import(const ParameterSpec& spec) {
    const std::string source = SourceName(spec.name);
    used_.insert(source);
    auto tensor = model_.files.Get(source);
    if (!tensor.ok()) {
      problems_.push_back(tensor.status().code() == StatusCode::kNotFound
                              ? spec.name + " is missing"
                              : tensor.status().message());
    } else if (tensor->shape != spec.shape) {
      problems_.push_back(
          StrCat(spec.name, " is ", tensor->shape.ToString(), ", must be ", spec.shape.ToString()));
    } else if (!IsFloat(tensor->dtype) || tensor->dtype == DType::kF64) {
      problems_.push_back(
          StrCat(spec.name, " is ", DTypeName(tensor->dtype), ", must be f32, f16 or bf16"));
    } else {
      Keep(spec, *tensor);
    }
  }

  void Keep(const ParameterSpec& spec, const TensorView& tensor) {
    model_.parameters += tensor.shape.elements();
    const bool copied = spec.is_vector() || !IsAligned(tensor);
    if (!copied) {
      model_.mapped_bytes += tensor.bytes();
      model_.views[spec.name] = tensor;
      return;
    }
    model_.copies.push_back(spec.is_vector() ? ToF32(tensor) : Realigned(tensor));
    model_.copied_bytes += model_.copies.back().bytes();
    model_.views[spec.name] = model_.copies.back().view();
  }

  static Tensor Realigned(const TensorView& tensor) {
    Tensor copy(tensor.dtype, tensor.shape);
    std::memcpy(copy.data(), tensor.data, static_cast<std::size_t>(tensor.bytes()));
    return copy;
  }

  LanguageModelWeights& model_;
  std::set<std::string> used_;
  std::vector<std::string> problems_;
};

Status ReadDirectory(FileSystem& fs, const std::string& path, LanguageModelWeights* model) {
  ATTUNE_ASSIGN_OR_RETURN(model->config, ReadHfConfig(fs, path));
  ATTUNE_ASSIGN_OR_RETURN(model->files, ReadSafetensorsDirectory(fs, path));
  return OkStatus();
}

Status ReadBin(FileSystem& fs, const std::string& path, LanguageModelWeights* model) {
  ATTUNE_ASSIGN_OR_RETURN(Llama2cCheckpoint checkpoint, ReadLlama2c(fs, path));
  model->config = std::move(checkpoint.config);
  model->files = std::move(checkpoint.tensors);
  return OkStatus();
}

// Mixes eight bytes at a time: multiply, then fold the high half down.
std::uint64_t Mix(std::uint64_t state, std::span<const std::byte> bytes) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio.
  state = (state ^ bytes.size()) * kOdd;
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, std::min(sizeof word, bytes.size() - at));
    state = (state ^ word) * kOdd;
    state ^= state >> 32;
  }
  return state;
}

}  // namespace

Result<LanguageModelWeights> LoadModel(FileSystem& fs, const std::string& path) {
  const std::string name = BaseName(path);
  if (!fs.Exists(path)) return NotFound(name + ": no such model");
  LanguageModelWeights model;
  if (fs.IsDirectory(path)) {
    ATTUNE_RETURN_IF_ERROR(ReadDirectory(fs, path, &model));
  } else if (path.ends_with(".bin")) {
    ATTUNE_RETURN_IF_ERROR(ReadBin(fs, path, &model));
  } else {
    return InvalidArgument(name + ": a model is a directory with config.json or a .bin file");
  }
  ATTUNE_RETURN_IF_ERROR(Importer(&model).Run().WithContext(name));
  return model;
}

std::uint64_t Fingerprint(const WeightViews& weights) {
  std::uint64_t state = 0;
  for (const auto& [name, view] : weights) {
    const std::string header = StrCat(name, " ", DTypeName(view.dtype), view.shape.ToString());
    state = Mix(state, std::as_bytes(std::span(header)));
    state = Mix(state, view.span());
  }
  return state;
}

Result<Sha256Digest> HashOf(Crypto& crypto, const WeightViews& weights) {
  // With the length of its bytes, a header cannot be taken for the end of the
  // tensor before it.
  std::vector<std::string> headers;
  for (const auto& [name, view] : weights) {
    headers.push_back(StrCat(name.size(), " ", name, " ", DTypeName(view.dtype),
                             view.shape.ToString(), " ", view.bytes(), "\n"));
  }
  std::vector<ByteSpan> parts;
  auto header = headers.begin();
  for (const auto& [name, view] : weights) {
    parts.push_back(std::as_bytes(std::span(*header++)));
    parts.push_back(view.span());
  }
  return crypto.Sha256(parts);
}

}  // namespace attune
