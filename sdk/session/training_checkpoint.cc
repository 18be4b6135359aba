#include "session/training_checkpoint.h"

#include <charconv>
#include <cstring>
#include <vector>

#include "base/strings.h"
#include "formats/json.h"
#include "formats/safetensors.h"

namespace attune {
namespace {

constexpr std::string_view kVersion = "1";
// More than any run counts, and far from where counting on would overflow.
constexpr std::int64_t kMaxCount = std::int64_t{1} << 53;
constexpr const char* kTrainingCurve = "curve.training";
constexpr const char* kHeldOutCurve = "curve.held_out";

Tensor CurveTensor(const std::vector<LossPoint>& points) {
  Tensor tensor(DType::kF64, {static_cast<std::int64_t>(points.size()), 2});
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double row[2] = {static_cast<double>(points[i].step), points[i].loss};
    std::memcpy(tensor.data() + i * sizeof row, row, sizeof row);
  }
  return tensor;
}

Result<std::vector<LossPoint>> CurvePoints(const SafetensorsFile& file, const char* name) {
  ATTUNE_ASSIGN_OR_RETURN(const TensorView view, file.Tensor(name));
  if (view.dtype != DType::kF64 || view.shape.rank() != 2 || view.shape[1] != 2) {
    return DataLoss(
        StrCat(name, " is ", DTypeName(view.dtype), view.shape.ToString(), ", must be f64[n, 2]"));
  }
  std::vector<LossPoint> points;
  for (std::int64_t i = 0; i < view.shape[0]; ++i) {
    double row[2];
    std::memcpy(row, view.data + static_cast<std::size_t>(i) * sizeof row, sizeof row);
    if (!(row[0] >= 0 && row[0] <= static_cast<double>(kMaxCount))) {
      return DataLoss(StrCat(name, ": step ", row[0], ", allowed 0 to ", kMaxCount));
    }
    points.push_back({static_cast<std::int64_t>(row[0]), row[1]});
  }
  return points;
}

// Counters of the progress by their key, to write and to read alike.
struct Counter {
  const char* key;
  std::int64_t* value;
};
std::vector<Counter> CountersOf(TrainingProgress* progress) {
  return {{"step", &progress->step},
          {"updates", &progress->updates},
          {"skipped_in_a_row", &progress->skipped_in_a_row},
          {"tokens", &progress->tokens},
          {"finite_steps", &progress->finite_steps},
          {"epoch", &progress->cursor.epoch},
          {"position", &progress->cursor.position}};
}

Result<std::string_view> Entry(const SafetensorsMetadata& metadata, const std::string& key) {
  const auto it = metadata.find(key);
  if (it == metadata.end()) return DataLoss(StrCat("no ", key, " in the metadata"));
  return std::string_view(it->second);
}

template <typename T>
Status ParseEntry(const SafetensorsMetadata& metadata, const std::string& key, T* value) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view text, Entry(metadata, key));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (error == std::errc() && end == text.data() + text.size()) return OkStatus();
  return DataLoss(StrCat(key, " in the metadata is ", Quoted(text), ", no number"));
}

Status ParseHex(const SafetensorsMetadata& metadata, const std::string& key, std::uint64_t* value) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view text, Entry(metadata, key));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, 16);
  if (error == std::errc() && end == text.data() + text.size()) return OkStatus();
  return DataLoss(StrCat(key, " in the metadata is ", Quoted(text), ", no hexadecimal number"));
}

Result<TrainingProgress> ReadProgress(const SafetensorsMetadata& metadata, std::uint64_t base) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view version, Entry(metadata, "version"));
  if (version != kVersion) {
    return Unsupported(StrCat("version ", Quoted(version), ", this build reads ", kVersion));
  }
  std::uint64_t saved_base = 0;
  ATTUNE_RETURN_IF_ERROR(ParseHex(metadata, "base", &saved_base));
  if (saved_base != base) {
    return FailedPrecondition(
        StrCat("saved with base model ", HexOf(saved_base), ", this is ", HexOf(base)));
  }
  TrainingProgress progress;
  ATTUNE_RETURN_IF_ERROR(ParseHex(metadata, "fingerprint", &progress.fingerprint));
  for (const Counter& counter : CountersOf(&progress)) {
    ATTUNE_RETURN_IF_ERROR(ParseEntry(metadata, counter.key, counter.value));
    if (*counter.value >= 0 && *counter.value <= kMaxCount) continue;
    return DataLoss(
        StrCat(counter.key, " in the metadata is ", *counter.value, ", allowed 0 to ", kMaxCount));
  }
  ATTUNE_RETURN_IF_ERROR(ParseEntry(metadata, "loss_scale", &progress.loss_scale));
  return progress;
}

Status CopySections(const SafetensorsFile& file, TrainingState* state) {
  const auto sections = state->Sections();
  if (file.entries().size() != sections.size() + 2) {
    return DataLoss(StrCat(file.entries().size(), " tensors, must be ", sections.size() + 2));
  }
  for (const NamedBytes& section : sections) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView view, file.Tensor(section.name));
    if (view.dtype != DType::kF32 || view.shape != section.shape) {
      return DataLoss(StrCat(section.name, " is ", DTypeName(view.dtype), view.shape.ToString(),
                             ", must be f32", section.shape.ToString()));
    }
    std::memcpy(section.bytes.data(), view.data, section.bytes.size());
  }
  return OkStatus();
}

Status Load(const SafetensorsFile& file, std::uint64_t base, Trainer* trainer, LossCurve* curve) {
  ATTUNE_ASSIGN_OR_RETURN(const TrainingProgress progress, ReadProgress(file.metadata(), base));
  ATTUNE_ASSIGN_OR_RETURN(curve->training, CurvePoints(file, kTrainingCurve));
  ATTUNE_ASSIGN_OR_RETURN(curve->held_out, CurvePoints(file, kHeldOutCurve));
  ATTUNE_RETURN_IF_ERROR(trainer->Resume(progress));
  return CopySections(file, &trainer->state());
}

}  // namespace

std::string HexOf(std::uint64_t number) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kDigits[(number >> shift) & 15]);
  return out;
}

Status SaveTrainingState(FileSystem& files, const std::string& path, std::uint64_t base,
                         TrainingState& state, const LossCurve& curve) {
  TrainingProgress progress = state.progress;
  SafetensorsMetadata metadata = {{"format", "attune-training-state"},
                                  {"version", std::string(kVersion)},
                                  {"base", HexOf(base)},
                                  {"fingerprint", HexOf(progress.fingerprint)}};
  for (const Counter& counter : CountersOf(&progress)) {
    metadata[counter.key] = StrCat(*counter.value);
  }
  // Shortest text that reads back the same number.
  char scale[32];
  const auto end = std::to_chars(scale, scale + sizeof scale, progress.loss_scale).ptr;
  metadata["loss_scale"] = std::string(scale, end);

  const Tensor training = CurveTensor(curve.training), held_out = CurveTensor(curve.held_out);
  std::vector<NamedTensor> tensors = {{kTrainingCurve, training.view()},
                                      {kHeldOutCurve, held_out.view()}};
  for (const NamedBytes& section : state.Sections()) {
    tensors.push_back({section.name, {DType::kF32, section.shape, section.bytes.data()}});
  }
  return WriteSafetensors(files, path, tensors, metadata);
}

Status LoadTrainingState(FileSystem& files, const std::string& path, std::uint64_t base,
                         Trainer* trainer, LossCurve* curve) {
  ATTUNE_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(files, path));
  return Load(file, base, trainer, curve).WithContext(BaseName(path));
}

}  // namespace attune
