#include "ane/runtime/canary.h"

#include <vector>

#include "ane/runtime/parity.h"
#include "base/philox.h"
#include "base/strings.h"
#include "graph/builder.h"

namespace attune::ane {
namespace {

constexpr std::int64_t kRows = 32, kWidth = 64, kRank = 4;
// Of half precision over sums of 64 products; a wrong binding is off by about 1.
constexpr double kTolerance = 0.02;
constexpr double kSmallestChange = 0.05;

// y = x W^T + (x A^T) B^T.
Result<Graph> LoraLinear() {
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {kRows, kWidth}});
  const ValueId w = graph.AddParameter("base.weight", {DType::kF32, {kWidth, kWidth}}, false);
  const ValueId a = graph.AddParameter("base.lora_A.weight", {DType::kF32, {kRank, kWidth}}, true);
  const ValueId b = graph.AddParameter("base.lora_B.weight", {DType::kF32, {kWidth, kRank}}, true);
  const ValueId y = builder.Add(builder.Linear(x, w), builder.Linear(builder.Linear(x, a), b));
  ATTUNE_RETURN_IF_ERROR(builder.status());
  graph.AddOutput("y", y);
  return graph;
}

Tensor Filled(Shape shape, std::uint64_t stream) {
  Philox random(/*seed=*/7, stream);
  Tensor tensor(DType::kF32, shape);
  for (float& value : tensor.f32()) {
    value = (static_cast<float>(random.NextBelow(2001)) - 1000.0f) / 4000.0f;
  }
  return tensor;
}

std::span<std::byte> Bytes(Tensor* tensor) {
  return {tensor->data(), static_cast<std::size_t>(tensor->bytes())};
}

// One backend's program.
struct LoraProgram {
  std::unique_ptr<Executable> executable;

  static Result<LoraProgram> Compile(Backend& backend, const Graph& graph, const Tensor& w,
                                     Tensor* b) {
    LoraProgram made;
    ATTUNE_ASSIGN_OR_RETURN(made.executable,
                            backend.Compile(graph, {{"base.weight", w.view()}}, {}));
    ATTUNE_RETURN_IF_ERROR(made.executable->Bind("base.lora_B.weight", Bytes(b)));
    ATTUNE_ASSIGN_OR_RETURN(const auto slot, made.executable->Input("x"));
    const Tensor x = Filled({kRows, kWidth}, 1);
    std::copy_n(x.f32().data(), x.f32().size(), AsF32(slot).data());
    return made;
  }

  Result<std::vector<float>> Run(Tensor* a) {
    ATTUNE_RETURN_IF_ERROR(executable->Bind("base.lora_A.weight", Bytes(a)));
    ATTUNE_RETURN_IF_ERROR(executable->Run());
    ATTUNE_ASSIGN_OR_RETURN(const TensorView y, executable->Output("y"));
    return std::vector<float>(y.f32().begin(), y.f32().end());
  }
};

// The backend hides what the device refuses; the canary is there to see it.
Status CheckOnDevice(const AneBackend& backend) {
  const AneActivity activity = backend.activity();
  return activity.fallbacks == 0 ? OkStatus() : Internal(activity.fallback_reason);
}

}  // namespace

Status RunCanary(AneBackend& backend, Backend& host) {
  ATTUNE_ASSIGN_OR_RETURN(const Graph graph, LoraLinear());
  const Tensor w = Filled({kWidth, kWidth}, 2);
  Tensor b = Filled({kWidth, kRank}, 3);
  ATTUNE_ASSIGN_OR_RETURN(LoraProgram on_device, LoraProgram::Compile(backend, graph, w, &b));
  ATTUNE_RETURN_IF_ERROR(CheckOnDevice(backend));
  ATTUNE_ASSIGN_OR_RETURN(LoraProgram on_host, LoraProgram::Compile(host, graph, w, &b));
  const std::int64_t before = backend.activity().device.evaluations;
  std::vector<float> last;
  for (const std::uint64_t stream : {4, 5}) {
    Tensor a = Filled({kRank, kWidth}, stream);
    ATTUNE_ASSIGN_OR_RETURN(std::vector<float> got, on_device.Run(&a));
    ATTUNE_RETURN_IF_ERROR(CheckOnDevice(backend));
    ATTUNE_ASSIGN_OR_RETURN(const std::vector<float> want, on_host.Run(&a));
    if (!last.empty() && !(RelativeDistance(got, last) >= kSmallestChange)) {
      return Internal("another A left the result as it was: weights that are inputs are ignored");
    }
    const double distance = RelativeDistance(got, want);
    if (!(distance <= kTolerance)) {
      return Internal(
          StrCat("a LoRA linear is ", distance, " off the host's, allowed ", kTolerance));
    }
    last = std::move(got);
  }
  if (backend.activity().device.evaluations == before) {
    return Internal("nothing of a LoRA linear ran on the device");
  }
  return OkStatus();
}

}  // namespace attune::ane
