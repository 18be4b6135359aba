// The adapter directory: names, tensors, both files together.

#include "formats/peft.h"

#include <cmath>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "formats/json.h"

namespace attune {
namespace {

constexpr char kConfigFile[] = "adapter_config.json";
constexpr char kWeightsFile[] = "adapter_model.safetensors";
constexpr char kPickleFile[] = "adapter_model.bin";
constexpr std::uint64_t kMaxConfigBytes = 4u << 20;
constexpr std::string_view kPrefix = "base_model.model.";
// The longest list of offenders that a message spells out.
constexpr std::size_t kMaxListed = 64;

// Gathers everything that is wrong, for one message.
class Problems {
 public:
  void Add(std::string problem) {
    if (listed_ < kMaxListed) text_ += (text_.empty() ? "" : "; ") + std::move(problem);
    ++listed_;
  }
  Status ToStatus(StatusCode code, std::string_view file) const {
    if (listed_ == 0) return OkStatus();
    const std::string rest =
        listed_ > kMaxListed ? StrCat("; and ", listed_ - kMaxListed, " more") : "";
    return Status(code, StrCat(file, ": ", text_, rest));
  }

 private:
  std::size_t listed_ = 0;
  std::string text_;
};

// The first element that is infinite or not a number, or -1.
std::int64_t FirstNonFinite(const TensorView& view) {
  const std::int64_t elements = view.shape.elements();
  for (std::int64_t i = 0; i < elements; ++i) {
    if (!std::isfinite(ElementAsF32(view, i))) return i;
  }
  return -1;
}

// What is wrong with one pair, or nothing.
void CheckPair(const std::string& module, const LoraPair& pair, const PeftConfig& config,
               Problems* problems) {
  const std::string name = Quoted(module);
  const Shape& a = pair.a.shape;
  const Shape& b = pair.b.shape;
  for (const TensorView* view : {&pair.a, &pair.b}) {
    const DType dtype = view->dtype;
    if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBf16) {
      problems->Add(StrCat(name, " is ", DTypeName(dtype), ", needs f32, f16 or bf16"));
      return;
    }
  }
  if (a.rank() != 2 || b.rank() != 2) {
    problems->Add(
        StrCat(name, " has A ", a.ToString(), " and B ", b.ToString(), ", needs matrices"));
    return;
  }
  if (a[0] != b[1]) {
    problems->Add(
        StrCat(name, " has A ", a.ToString(), " and B ", b.ToString(), " of unequal rank"));
    return;
  }
  if (const std::int64_t rank = config.RankOf(module); a[0] != rank) {
    problems->Add(StrCat(name, " has rank ", a[0], ", its configuration says ", rank));
    return;
  }
  for (const TensorView* view : {&pair.a, &pair.b}) {
    if (const std::int64_t at = FirstNonFinite(*view); at >= 0) {
      problems->Add(StrCat(name, " is not finite at element ", at, " of ", view->shape.elements(),
                           view == &pair.a ? " of A" : " of B"));
    }
  }
}

// Sorts the tensors of the file into pairs.
Status PairUp(const SafetensorsFile& file, PeftAdapter* adapter) {
  Problems problems;
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::optional<PeftName> name = ParsePeftName(entry.name);
    if (!name) {
      problems.Add(StrCat("unknown tensor ", Quoted(entry.name)));
      continue;
    }
    const Result<TensorView> view = file.Tensor(entry.name);
    if (!view.ok()) return view.status();
    LoraPair& pair = adapter->modules[name->module];
    (name->matrix == 'A' ? pair.a : pair.b) = *view;
  }
  for (auto& [module, pair] : adapter->modules) {
    if (pair.a.data == nullptr || pair.b.data == nullptr) {
      problems.Add(StrCat(Quoted(module), " lacks lora_", pair.a.data == nullptr ? "A" : "B"));
      continue;
    }
    CheckPair(module, pair, adapter->config, &problems);
    pair.scale = adapter->config.ScaleOf(module);
  }
  if (file.entries().empty()) problems.Add("has 0 tensors");
  return problems.ToStatus(StatusCode::kDataLoss, kWeightsFile);
}

// A file's bytes that were never in a file.
class OwnedFile final : public MappedFile {
 public:
  explicit OwnedFile(std::string bytes) : bytes_(std::move(bytes)) {}
  std::span<const std::byte> bytes() const override { return std::as_bytes(std::span(bytes_)); }

 private:
  std::string bytes_;
};

Result<PeftAdapter> Parse(std::string_view text, std::shared_ptr<const MappedFile> weights) {
  Result<PeftConfig> config = ParsePeftConfig(text);
  if (!config.ok()) return std::move(config).status().WithContext(kConfigFile);
  PeftAdapter adapter;
  adapter.config = *std::move(config);
  ATTUNE_ASSIGN_OR_RETURN(const SafetensorsFile file,
                          SafetensorsFile::Parse(std::move(weights), kWeightsFile));
  ATTUNE_RETURN_IF_ERROR(PairUp(file, &adapter));
  adapter.metadata = file.metadata();
  ATTUNE_RETURN_IF_ERROR(file.AddTo(&adapter.tensors));
  return adapter;
}

// The configuration as text, read back: what this build would refuse to read, or
// would read differently, must not be written.
Result<std::string> ReadableText(const PeftConfig& config,
                                 const std::map<std::string, LoraPair>& modules) {
  double sum = config.alpha + config.dropout;
  for (const auto& [pattern, alpha] : config.alpha_pattern) sum += alpha;
  if (!std::isfinite(sum)) {
    return InvalidArgument(StrCat(kConfigFile, ": alpha ", config.alpha, " or dropout ",
                                  config.dropout, " is not finite"));
  }
  std::string text = FormatPeftConfig(config);
  Result<PeftConfig> again = ParsePeftConfig(text);
  if (!again.ok()) return std::move(again).status().WithContext(kConfigFile);
  for (const auto& [module, pair] : modules) {
    // Keys are written sorted, which can change which of two patterns wins.
    if (again->ScaleOf(module) != config.ScaleOf(module)) {
      return InvalidArgument(StrCat(kConfigFile, ": ", Quoted(module), " would be scaled by ",
                                    again->ScaleOf(module), " instead of ", config.ScaleOf(module),
                                    " once its patterns are sorted"));
    }
  }
  return text;
}

}  // namespace

std::string PeftTensorName(std::string_view module, char matrix) {
  return StrCat(kPrefix, module, ".lora_", matrix, ".weight");
}

std::optional<PeftName> ParsePeftName(std::string_view tensor) {
  for (const char matrix : {'A', 'B'}) {
    const std::string suffix = StrCat(".lora_", matrix, ".weight");
    if (tensor.size() <= kPrefix.size() + suffix.size()) continue;
    if (!tensor.starts_with(kPrefix) || !tensor.ends_with(suffix)) continue;
    tensor.remove_prefix(kPrefix.size());
    tensor.remove_suffix(suffix.size());
    return PeftName{std::string(tensor), matrix};
  }
  return std::nullopt;
}

Result<PeftAdapter> ParsePeftAdapter(PeftFiles files) {
  return Parse(files.config, std::make_shared<const OwnedFile>(std::move(files.weights)));
}

Result<PeftAdapter> ReadPeftAdapter(FileSystem& fs, const std::string& directory) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string text,
                          fs.Read(JoinPath(directory, kConfigFile), kMaxConfigBytes));
  const std::string weights = JoinPath(directory, kWeightsFile);
  if (!fs.Exists(weights) && fs.Exists(JoinPath(directory, kPickleFile))) {
    return Unsupported(StrCat(
        kPickleFile, ": is a pickle, which can run code; save the adapter as ", kWeightsFile));
  }
  ATTUNE_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> file, fs.Map(weights));
  return Parse(text, std::move(file));
}

Result<PeftFiles> FormatPeftAdapter(const PeftConfig& config,
                                    const std::map<std::string, LoraPair>& modules,
                                    const SafetensorsMetadata& provenance) {
  Problems problems;
  std::vector<NamedTensor> tensors;
  for (const auto& [module, pair] : modules) {
    CheckPair(module, pair, config, &problems);
    tensors.push_back({PeftTensorName(module, 'A'), pair.a});
    tensors.push_back({PeftTensorName(module, 'B'), pair.b});
  }
  if (modules.empty()) problems.Add("has 0 tensors");
  ATTUNE_RETURN_IF_ERROR(problems.ToStatus(StatusCode::kInvalidArgument, kWeightsFile));

  PeftFiles files;
  ATTUNE_ASSIGN_OR_RETURN(files.config, ReadableText(config, modules));
  Result<std::string> weights = FormatSafetensors(tensors, provenance);
  if (!weights.ok()) return std::move(weights).status().WithContext(kWeightsFile);
  files.weights = *std::move(weights);
  return files;
}

Status WritePeftAdapter(FileSystem& fs, const std::string& directory, const PeftFiles& files) {
  ATTUNE_RETURN_IF_ERROR(fs.CreateDirectories(directory));
  const std::span<const std::byte> weights = std::as_bytes(std::span(files.weights));
  ATTUNE_RETURN_IF_ERROR(
      fs.WriteAtomically(JoinPath(directory, kWeightsFile), std::span(&weights, 1)));
  const std::span<const std::byte> config = std::as_bytes(std::span(files.config));
  return fs.WriteAtomically(JoinPath(directory, kConfigFile), std::span(&config, 1));
}

}  // namespace attune
