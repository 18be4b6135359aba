// A training loop of one's own: teaches the keyboard's model a few phrases, and writes
// the adapter as a PEFT directory.
//
//   engine_sample <model directory> <output directory> [device]
//
// `device` is cpu, ane, or ane-sim for a simulated Neural Engine.

#include <cstdio>
#include <string>

#include "attune/engine.h"
#include "platform/platform.h"

namespace attune {
namespace {

constexpr int kSteps = 30;

Status Teach(const std::string& model_path, const std::string& output, const std::string& device) {
  PlatformOptions options;
  options.device = device;
  ATTUNE_ASSIGN_OR_RETURN(const auto platform, DefaultPlatform::WithoutKeys(options));
  if (!platform->note().empty()) std::printf("%s\n", platform->note().c_str());

  engine::LoadOptions load;
  load.rank = 4;
  ATTUNE_ASSIGN_OR_RETURN(const auto model, engine::Model::Load(platform->get(), model_path, load));
  ATTUNE_ASSIGN_OR_RETURN(
      const engine::Batch batch,
      model->Encode({"off to load the kiln", "righto, back by noon", "low water at the jetty",
                     "fingers crossed for the glaze"}));
  engine::AdamW optimizer(model.get(), {.learning_rate = 4e-3});
  for (int i = 0; i < kSteps; ++i) {
    ATTUNE_ASSIGN_OR_RETURN(engine::Loss loss, model->Forward(batch));
    ATTUNE_RETURN_IF_ERROR(loss.Backward());
    ATTUNE_ASSIGN_OR_RETURN(const engine::StepResult step, optimizer.Step());
    optimizer.ZeroGrad();
    std::printf("step %d: %.4f nats/token%s\n", i + 1, loss.value(),
                step.skipped ? ", skipped" : "");
  }
  return model->SavePeft(output);
}

}  // namespace
}  // namespace attune

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s MODEL OUTPUT [DEVICE]\n", argv[0]);
    return 2;
  }
  const attune::Status status = attune::Teach(argv[1], argv[2], argc > 3 ? argv[3] : "cpu");
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
