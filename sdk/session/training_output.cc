#include "session/training_output.h"

#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/half.h"
#include "base/strings.h"
#include "formats/safetensors.h"

namespace attune {
namespace {

// What a model directory has besides weights.
constexpr const char* kModelFiles[] = {"config.json",    "generation_config.json",
                                       "tokenizer.json", "tokenizer_config.json",
                                       "vocab.json",     "merges.txt",
                                       "tokenizer.model"};
constexpr std::uint64_t kMaxModelFile = std::uint64_t{1} << 28;

Status WriteText(FileSystem& files, const std::string& path, std::string_view text) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(text.data(), text.size()));
  return files.WriteAtomically(path, std::span(&bytes, 1));
}

DType DTypeOf(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF16:
      return DType::kF16;
    case WeightFormat::kBf16:
      return DType::kBf16;
    case WeightFormat::kF32:
      break;
  }
  return DType::kF32;
}

// f16 ends at 65504; a weight beyond would become an infinity.
Status CheckRepresentable(std::span<const float> values, const std::string& name, DType dtype) {
  constexpr float kMaxF16 = 65504.0f;
  if (dtype != DType::kF16) return OkStatus();
  for (float value : values) {
    if (!(std::abs(value) <= kMaxF16)) {
      return InvalidArgument(StrCat(name, ": weight ", value, ", f16 holds at most ", kMaxF16));
    }
  }
  return OkStatus();
}

// REQUIRES: a 16-bit `dtype`.
Tensor Narrowed(std::span<const float> values, const Shape& shape, DType dtype) {
  Tensor out(dtype, shape);
  auto* const narrow = reinterpret_cast<std::uint16_t*>(out.data());
  for (std::size_t i = 0; i < values.size(); ++i) {
    narrow[i] = dtype == DType::kF16 ? F16FromF32(values[i]) : Bf16FromF32(values[i]);
  }
  return out;
}

TensorView ViewOf(TrainingState& state, const std::string& name) {
  for (std::size_t i = 0; i < state.trainables().size(); ++i) {
    if (state.trainables()[i].name != name) continue;
    return {DType::kF32, state.trainables()[i].shape,
            std::as_bytes(std::span<const float>(state.parameter(i))).data()};
  }
  return {};
}

// The trained modules as a list, which every reader of adapters takes: some know
// neither PEFT's "all-linear" nor its regular expressions.
TargetNames ListedTargets(const TargetModules& asked, const LoraSpec& lora) {
  if (const auto* names = std::get_if<TargetNames>(&asked)) return *names;
  const bool all = std::holds_alternative<TargetAllLinear>(asked);
  std::set<std::string> listed;
  for (const LoraModule& module : lora.modules) {
    const auto dot = all ? module.module.rfind('.') : std::string::npos;
    listed.insert(dot == std::string::npos ? module.module : module.module.substr(dot + 1));
  }
  return {listed.begin(), listed.end()};
}

}  // namespace

Result<PeftFiles> FormatAdapter(const PeftConfig& peft, const LoraSpec& lora, TrainingState& state,
                                const SafetensorsMetadata& provenance) {
  PeftConfig written = peft;
  written.target_modules = ListedTargets(peft.target_modules, lora);
  std::map<std::string, LoraPair> pairs;
  for (const LoraModule& module : lora.modules) {
    pairs[module.module] = {ViewOf(state, module.module + ".lora_A.weight"),
                            ViewOf(state, module.module + ".lora_B.weight"), module.scale};
  }
  return FormatPeftAdapter(written, pairs, provenance);
}

Status WriteModel(FileSystem& files, const std::string& directory, const std::string& source,
                  WeightFormat format, TrainingState& state,
                  const SafetensorsMetadata& provenance) {
  const DType dtype = DTypeOf(format);
  std::vector<Tensor> narrowed;
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0; i < state.trainables().size(); ++i) {
    const Trainable& trainable = state.trainables()[i];
    TensorView view = ViewOf(state, trainable.name);
    if (dtype != DType::kF32) {
      ATTUNE_RETURN_IF_ERROR(CheckRepresentable(state.parameter(i), trainable.name, dtype));
      narrowed.push_back(Narrowed(state.parameter(i), trainable.shape, dtype));
      view = narrowed.back().view();
    }
    tensors.push_back({trainable.name, view});
  }
  for (const char* name : kModelFiles) {
    const std::string from = JoinPath(source, name);
    if (!files.Exists(from)) continue;
    ATTUNE_ASSIGN_OR_RETURN(const std::string bytes, files.Read(from, kMaxModelFile));
    ATTUNE_RETURN_IF_ERROR(WriteText(files, JoinPath(directory, name), bytes));
  }
  return WriteSafetensors(files, JoinPath(directory, "model.safetensors"), tensors, provenance);
}

CurveFiles FormatCurve(const LossCurve& curve) {
  return {CurveAsCsv(curve), CurveAsSvg(curve, "Loss while training")};
}

Status WriteCurve(FileSystem& files, const std::string& directory, const CurveFiles& curve) {
  for (const auto& [name, text] : {std::pair{kCurveTable, std::string_view(curve.table)},
                                   std::pair{kCurveDrawing, std::string_view(curve.drawing)}}) {
    if (!text.empty()) ATTUNE_RETURN_IF_ERROR(WriteText(files, JoinPath(directory, name), text));
  }
  return OkStatus();
}

}  // namespace attune
