// A loaded program of the private framework and the request that runs it.
//
// Threads: as Device.

#pragma once

#include <memory>
#include <span>
#include <vector>

#include "ane/device/device.h"
#include "ane/driver/foundation.h"
#include "ane/driver/framework.h"
#include "ane/driver/model_attributes.h"
#include "ane/driver/program_route.h"
#include "attune/status.h"

namespace attune::ane {

class PrivateProgram final : public DeviceProgram {
 public:
  // `route` is loaded, and is unloaded from here on whatever happens.
  //
  //   kUnsupported  the compiled program's tables cannot be made sense of
  static Result<std::unique_ptr<PrivateProgram>> Adopt(std::shared_ptr<Framework> framework,
                                                       std::unique_ptr<ProgramRoute> route);
  ~PrivateProgram() override;

  const std::vector<SymbolLayout>& inputs() const override { return layout_.inputs.layouts; }
  const std::vector<SymbolLayout>& outputs() const override { return layout_.outputs.layouts; }

  // On error the surfaces bound before stay so. `inputs` and `outputs` are of the same
  // device.
  Status Bind(std::span<Surface* const> inputs, std::span<Surface* const> outputs) override;
  Status Evaluate() override;

 private:
  PrivateProgram(std::shared_ptr<Framework> framework, std::unique_ptr<ProgramRoute> route);
  Result<objc::Owned> MakeRequest(std::span<Surface* const> inputs,
                                  std::span<Surface* const> outputs) const;

  std::shared_ptr<Framework> framework_;
  std::unique_ptr<ProgramRoute> route_;
  ProcedureLayout layout_;
  objc::Owned request_;  // Holds the surfaces' wrappers.
};

}  // namespace attune::ane
