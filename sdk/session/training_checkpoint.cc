#include "session/training_checkpoint.h"

#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "formats/json.h"
#include "formats/safetensors.h"

namespace attune {
namespace {

constexpr char kDigits[] = "0123456789abcdef";
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

const TensorView* Find(const StateParts& parts, std::string_view name) {
  for (const NamedTensor& section : parts.sections) {
    if (section.name == name) return &section.view;
  }
  return nullptr;
}

Result<std::vector<LossPoint>> CurvePoints(const StateParts& parts, const char* name) {
  const TensorView* view = Find(parts, name);
  if (view == nullptr) return DataLoss(StrCat("no section ", name));
  if (view->dtype != DType::kF64 || view->shape.rank() != 2 || view->shape[1] != 2) {
    return DataLoss(StrCat(name, " is ", DTypeName(view->dtype), view->shape.ToString(),
                           ", must be f64[n, 2]"));
  }
  std::vector<LossPoint> points;
  for (std::int64_t i = 0; i < view->shape[0]; ++i) {
    double row[2];
    std::memcpy(row, view->data + static_cast<std::size_t>(i) * sizeof row, sizeof row);
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

using Fields = std::map<std::string, std::string>;

Result<std::string_view> Entry(const Fields& fields, const std::string& key) {
  const auto it = fields.find(key);
  if (it == fields.end()) return DataLoss(StrCat("no ", key, " in the metadata"));
  return std::string_view(it->second);
}

template <typename T>
Status ParseEntry(const Fields& fields, const std::string& key, T* value) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view text, Entry(fields, key));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  if (error == std::errc() && end == text.data() + text.size()) return OkStatus();
  return DataLoss(StrCat(key, " in the metadata is ", Quoted(text), ", no number"));
}

Status ParseHex(const Fields& fields, const std::string& key, std::uint64_t* value) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view text, Entry(fields, key));
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value, 16);
  if (error == std::errc() && end == text.data() + text.size()) return OkStatus();
  return DataLoss(StrCat(key, " in the metadata is ", Quoted(text), ", no hexadecimal number"));
}

Result<TrainingProgress> ReadProgress(const Fields& fields, std::string_view base) {
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view version, Entry(fields, "version"));
  if (version != kVersion) {
    return Unsupported(StrCat("version ", Quoted(version), ", this build reads ", kVersion));
  }
  ATTUNE_ASSIGN_OR_RETURN(const std::string_view saved_base, Entry(fields, "base"));
  if (saved_base != base) {
    return FailedPrecondition(
        StrCat("saved with base model ", Quoted(saved_base), ", this is ", base));
  }
  TrainingProgress progress;
  ATTUNE_RETURN_IF_ERROR(ParseHex(fields, "fingerprint", &progress.fingerprint));
  // Of private training only.
  if (fields.contains("noise_seed")) {
    ATTUNE_RETURN_IF_ERROR(ParseHex(fields, "noise_seed", &progress.noise_seed));
  }
  for (const Counter& counter : CountersOf(&progress)) {
    ATTUNE_RETURN_IF_ERROR(ParseEntry(fields, counter.key, counter.value));
    if (*counter.value >= 0 && *counter.value <= kMaxCount) continue;
    return DataLoss(
        StrCat(counter.key, " in the metadata is ", *counter.value, ", allowed 0 to ", kMaxCount));
  }
  ATTUNE_RETURN_IF_ERROR(ParseEntry(fields, "loss_scale", &progress.loss_scale));
  return progress;
}

Status CheckSections(const StateParts& parts, const std::vector<NamedBytes>& wanted) {
  constexpr std::size_t kCurves = 2;
  if (parts.sections.size() != wanted.size() + kCurves) {
    return DataLoss(StrCat(parts.sections.size(), " sections, must be ", wanted.size() + kCurves));
  }
  for (const NamedBytes& section : wanted) {
    const TensorView* view = Find(parts, section.name);
    if (view == nullptr) return DataLoss(StrCat("no section ", Quoted(section.name)));
    if (view->dtype != DType::kF32 || view->shape != section.shape) {
      return DataLoss(StrCat(Quoted(section.name), " is ", DTypeName(view->dtype),
                             view->shape.ToString(), ", must be f32", section.shape.ToString()));
    }
  }
  return OkStatus();
}

}  // namespace

std::string HexOf(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte byte : bytes) {
    out.push_back(kDigits[std::to_integer<unsigned>(byte) >> 4]);
    out.push_back(kDigits[std::to_integer<unsigned>(byte) & 15]);
  }
  return out;
}

std::string HexOf(std::uint64_t number) {
  std::string out;
  for (int shift = 60; shift >= 0; shift -= 4) out.push_back(kDigits[(number >> shift) & 15]);
  return out;
}

StateParts PartsOfState(std::string_view base, TrainingState& state, const LossCurve& curve) {
  TrainingProgress progress = state.progress;
  StateParts parts;
  parts.fields = {{"format", "attune-training-state"},
                  {"version", std::string(kVersion)},
                  {"base", std::string(base)},
                  {"fingerprint", HexOf(progress.fingerprint)}};
  if (progress.noise_seed != 0) parts.fields["noise_seed"] = HexOf(progress.noise_seed);
  for (const Counter& counter : CountersOf(&progress)) {
    parts.fields[counter.key] = StrCat(*counter.value);
  }
  // Shortest text that reads back the same number.
  char scale[32];
  const auto end = std::to_chars(scale, scale + sizeof scale, progress.loss_scale).ptr;
  parts.fields["loss_scale"] = std::string(scale, end);

  parts.curves.push_back(CurveTensor(curve.training));
  parts.curves.push_back(CurveTensor(curve.held_out));
  parts.sections = {{kTrainingCurve, parts.curves[0].view()},
                    {kHeldOutCurve, parts.curves[1].view()}};
  for (const NamedBytes& section : state.Sections()) {
    parts.sections.push_back({section.name, {DType::kF32, section.shape, section.bytes.data()}});
  }
  return parts;
}

Status RestoreState(const StateParts& parts, std::string_view base, Trainer* trainer,
                    LossCurve* curve) {
  ATTUNE_ASSIGN_OR_RETURN(const TrainingProgress progress, ReadProgress(parts.fields, base));
  LossCurve saved;
  ATTUNE_ASSIGN_OR_RETURN(saved.training, CurvePoints(parts, kTrainingCurve));
  ATTUNE_ASSIGN_OR_RETURN(saved.held_out, CurvePoints(parts, kHeldOutCurve));
  const std::vector<NamedBytes> sections = trainer->state().Sections();
  ATTUNE_RETURN_IF_ERROR(CheckSections(parts, sections));
  ATTUNE_RETURN_IF_ERROR(trainer->Resume(progress));
  // From here on nothing fails.
  for (const NamedBytes& section : sections) {
    std::memcpy(section.bytes.data(), Find(parts, section.name)->data, section.bytes.size());
  }
  *curve = std::move(saved);
  return OkStatus();
}

TrainingStateFile::TrainingStateFile(FileSystem& files, std::string path, std::uint64_t base)
    : files_(files), path_(std::move(path)), base_(HexOf(base)) {}

Status TrainingStateFile::Save(TrainingState& state, const LossCurve& curve) {
  const StateParts parts = PartsOfState(base_, state, curve);
  return WriteSafetensors(files_, path_, parts.sections, parts.fields);
}

Status TrainingStateFile::Load(Trainer* trainer, LossCurve* curve) {
  ATTUNE_ASSIGN_OR_RETURN(const SafetensorsFile file, SafetensorsFile::Open(files_, path_));
  StateParts parts;
  parts.fields = file.metadata();
  for (const SafetensorsEntry& entry : file.entries()) {
    ATTUNE_ASSIGN_OR_RETURN(const TensorView view, file.Tensor(entry.name));
    parts.sections.push_back({entry.name, view});
  }
  return RestoreState(parts, base_, trainer, curve).WithContext(BaseName(path_));
}

}  // namespace attune
